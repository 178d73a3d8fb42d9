"""What a runner sees of the agents it started, and how they end."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest

from buildd.errors import BuilddError
from buildd.roles import Forgetful, LaunchState
from buildd.testing.runners.stage import OVER, TRANSIENT, Stage, StageSuite, one_line
from buildd.testing.runners.world import Trouble

_HOUR = 3600.0
_MOMENT = 0.5
"""Seconds in which an agent that is asked a second time would notice."""
_POLL = 0.02


class ObserveSuite(StageSuite):
    """`observe` and `list_owned`: the truth, or that nobody knows."""

    async def test_it_waits_and_then_is_at_work(self, stage: Stage) -> None:
        """What has not begun is not running."""
        stage.world.hold()
        ref = await stage.runner.ensure(stage.order())
        assert (await stage.runner.observe(ref)).state is LaunchState.PENDING
        stage.world.release()
        await stage.until(ref, LaunchState.RUNNING)

    @pytest.mark.parametrize("exit_code", [0, 3])
    async def test_it_has_ended_when_the_agent_has(self, stage: Stage, exit_code: int) -> None:
        """With the exit code where the platform knows it; a new runner may not."""
        order, ref = await stage.running()
        stage.world.end(order.id, exit_code)
        assert (await stage.until(ref, *OVER)).exit_code in (exit_code, None)
        stage.restart()
        assert (await stage.until(ref, *OVER)).exit_code in (exit_code, None)

    async def test_what_somebody_took_away_is_gone(self, stage: Stage) -> None:
        """It was deleted behind the runner's back; one that has seen its end may still say so."""
        order, ref = await stage.running()
        stage.world.vanish(order.id)
        await stage.until(ref, *OVER)
        stage.restart()
        await stage.until(ref, LaunchState.GONE)

    async def test_what_never_was_is_gone(self, stage: Stage) -> None:
        """And can be stopped all the same."""
        never = stage.world.never()
        assert (await stage.runner.observe(never)).state is LaunchState.GONE
        await stage.runner.stop(never, 0)
        assert (await stage.runner.observe(never)).state is LaunchState.GONE

    async def test_out_of_reach_it_is_unknown(self, stage: Stage) -> None:
        """Never running, and never dead: on the first, nobody would help; on the second, two work."""
        _, ref = await stage.running()
        with stage.cut_off():
            assert (await stage.runner.observe(ref)).state is LaunchState.UNKNOWN
            stage.restart()
            assert (await stage.runner.observe(ref)).state is LaunchState.UNKNOWN
            assert (await stage.runner.observe(stage.world.never())).state is LaunchState.UNKNOWN
        await stage.until(ref, LaunchState.RUNNING)

    async def test_out_of_reach_nothing_else_pretends(self, stage: Stage) -> None:
        """An empty list or a quiet stop would be believed."""
        order, ref = await stage.running()
        with stage.cut_off():
            with pytest.raises(TRANSIENT) as not_started:
                await stage.runner.ensure(stage.order())
            with pytest.raises(TRANSIENT) as not_stopped:
                await stage.runner.stop(ref, 0)
            with pytest.raises(TRANSIENT) as not_listed:
                await stage.runner.list_owned()
        for problem in (not_started, not_stopped, not_listed):
            one_line(problem.value)
        assert stage.world.agents(order.id) == 1

    async def test_it_lists_what_is_its_own(self, stage: Stage) -> None:
        """Also what another life of the runner started."""
        assert await stage.runner.list_owned() == []
        orders = {(await stage.running())[0].id for _ in range(3)}
        stage.restart()
        assert {ref.order_id for ref in await stage.runner.list_owned()} == orders

    async def test_it_lists_nothing_of_others(self, stage: Stage) -> None:
        """What is listed and belongs to no order is stopped."""
        stage.world.foreign()
        order, _ = await stage.running()
        assert [ref.order_id for ref in await stage.runner.list_owned()] == [order.id]

    async def test_what_has_ended_can_be_forgotten(self, stage: Stage) -> None:
        """Where the runner keeps something of it. What runs stays, and is not ended by that."""
        runner = stage.runner
        if not isinstance(runner, Forgetful):
            pytest.skip("this runner keeps nothing of what has ended")
        order, ref = await stage.running()
        await runner.forget(ref)
        assert (await stage.runner.observe(ref)).state is LaunchState.RUNNING
        assert stage.world.agents(order.id) == 1
        stage.world.end(order.id, 0)
        await stage.until(ref, *OVER)
        for _ in range(2):
            await runner.forget(ref)
            assert await stage.runner.list_owned() == []
        await stage.until(ref, LaunchState.GONE)


class StopSuite(StageSuite):
    """`stop` and `extend`."""

    async def test_an_agent_that_is_stopped_may_drain(self, stage: Stage) -> None:
        """It hands back what it holds, and ends by itself."""
        order, ref = await stage.running()
        await stage.runner.stop(ref, _HOUR)
        await stage.until(ref, *OVER)
        assert stage.world.agents(order.id) == 0
        assert stage.world.drained(order.id)

    async def test_an_agent_that_does_not_listen_is_ended(self, stage: Stage) -> None:
        """When its time to drain is over."""
        stage.world.defy()
        order, ref = await stage.running()
        await stage.runner.stop(ref, 0)
        await stage.until(ref, *OVER)
        assert stage.world.agents(order.id) == 0

    async def test_stop_can_be_said_again(self, stage: Stage) -> None:
        """Twice at once, then by a new runner, then of what has ended."""
        order, ref = await stage.running()
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(stage.runner.stop, ref, 0)
        stage.restart()
        await stage.runner.stop(ref, 0)
        await stage.until(ref, *OVER)
        await stage.runner.stop(ref, 0)
        assert stage.world.agents(order.id) == 0

    async def test_it_is_asked_to_end_once(self, stage: Stage) -> None:
        """However often it is stopped: a second SIGTERM would end its drain."""
        stage.world.defy()
        order, ref = await stage.running()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.runner.stop, ref, _HOUR)
            while not stage.world.asked(order.id):  # noqa: ASYNC110 - it is told in a file
                await anyio.sleep(_POLL)
            tasks.cancel_scope.cancel()
        stage.restart()
        with anyio.move_on_after(_MOMENT):
            await stage.runner.stop(ref, _HOUR)
        assert stage.world.asked(order.id) == 1
        await stage.runner.stop(ref, 0)

    async def test_what_was_stopped_stays_so(self, stage: Stage) -> None:
        """A late `ensure` of the same order does not bring it back."""
        order, ref = await stage.running()
        await stage.runner.stop(ref, 0)
        await stage.until(ref, *OVER)
        with suppress(BuilddError):
            await stage.runner.ensure(order)
        assert stage.world.agents(order.id) == 0

    async def test_what_has_not_begun_never_does(self, stage: Stage) -> None:
        """Stopped while it waits."""
        stage.world.hold()
        order = stage.order()
        ref = await stage.runner.ensure(order)
        await stage.runner.stop(ref, 0)
        stage.world.release()
        await stage.until(ref, *OVER)
        assert stage.world.agents(order.id) == 0

    @pytest.mark.parametrize(
        "trouble", [Trouble.CALL_LOST, Trouble.ANSWER_LOST, Trouble.TWICE, Trouble.BUSY]
    )
    async def test_after_trouble_it_can_be_stopped_again(
        self, stage: Stage, trouble: Trouble
    ) -> None:
        """A stop that did not work tells so."""
        order, ref = await stage.running()
        stage.world.befall(trouble)
        with suppress(*TRANSIENT):
            await stage.runner.stop(ref, 0)
        await stage.runner.stop(ref, 0)
        await stage.until(ref, *OVER)
        assert stage.world.agents(order.id) == 0

    async def test_it_lives_as_long_as_it_is_extended(self, stage: Stage) -> None:
        """Where the platform would end a busy agent by itself."""
        lifetime = stage.world.lifetime()
        (kept, ref), (left, other) = await stage.running(), await stage.running()
        await stage.runner.extend(ref, 3 * lifetime)
        stage.world.advance(2 * lifetime)
        await stage.until(other, *OVER)
        assert (await stage.runner.observe(ref)).state is LaunchState.RUNNING
        assert [stage.world.agents(each.id) for each in (kept, left)] == [1, 0]

    async def test_to_extend_brings_nothing_back(self, stage: Stage) -> None:
        """Of one at work it is fine everywhere; of one that has ended it may be refused."""
        order, ref = await stage.running()
        await stage.runner.extend(ref, _HOUR)
        assert (await stage.runner.observe(ref)).state is LaunchState.RUNNING
        await stage.runner.stop(ref, 0)
        await stage.until(ref, *OVER)
        with suppress(BuilddError):
            await stage.runner.extend(ref, _HOUR)
        assert stage.world.agents(order.id) == 0
