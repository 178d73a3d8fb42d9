"""`ensure`: one order is one agent, whatever befalls the call and however often it is made."""

from __future__ import annotations

from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from buildd.errors import BuilddError
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Runner
from buildd.testing.runners.stage import OVER, TRANSIENT, Stage, StageSuite, one_line
from buildd.testing.runners.world import Trouble

_AWKWARD = ("--command=echo '$HOME' `id`; \"quoted\" && {{x}}", "--capability=a b", "--template=é*")
_SAFE_TO_REPEAT = sorted(set(Trouble) - {Trouble.REFUSED})


class LaunchSuite(StageSuite):
    """What becomes of an order."""

    async def test_an_order_becomes_one_agent(self, stage: Stage) -> None:
        """The reference names the order, in text that can be stored."""
        order, ref = await stage.running()
        assert ref.order_id == order.id
        assert ref.runner
        assert ref.external_id
        assert stage.world.agents(order.id) == 1

    async def test_the_agent_finds_its_key(self, stage: Stage) -> None:
        """Without it the agent could do nothing."""
        order, _ = await stage.running()
        assert stage.world.key(order.id) == order.key

    async def test_arguments_arrive_as_they_are(self, stage: Stage) -> None:
        """No shell and no template on the way reads them."""
        order, _ = await stage.running(stage.order(*_AWKWARD))
        assert stage.world.arguments(order.id) == _AWKWARD

    async def test_the_same_order_again_is_the_same_agent(self, stage: Stage) -> None:
        """Also while it is not at work yet, and also once it is."""
        order = stage.order()
        first = await stage.runner.ensure(order)
        assert await stage.runner.ensure(order) == first
        await stage.at_work(first)
        again = await stage.runner.ensure(order)
        assert again.external_id == first.external_id
        assert stage.world.agents(order.id) == 1

    async def test_a_new_runner_knows_what_the_last_one_started(self, stage: Stage) -> None:
        """The server was started anew; agents go on meanwhile."""
        order, first = await stage.running()
        stage.restart()
        assert (await stage.runner.observe(first)).state is LaunchState.RUNNING
        again = await stage.runner.ensure(order)
        assert (again.order_id, again.external_id) == (order.id, first.external_id)
        assert stage.world.agents(order.id) == 1

    async def test_at_once_is_as_one_after_the_other(self, stage: Stage) -> None:
        """One runner, asked five times at the same moment."""
        await self._at_once(stage, [stage.runner] * 5)

    async def test_two_servers_at_once_start_one_agent(self, stage: Stage) -> None:
        """Two runners, which know nothing of each other."""
        await self._at_once(stage, [stage.runner, stage.world.runner()])

    async def _at_once(self, stage: Stage, runners: list[Runner]) -> None:
        order, made = stage.order(), list[ExternalRef]()

        async def ensure(runner: Runner) -> None:
            made.append(await runner.ensure(order))

        async with anyio.create_task_group() as tasks:
            for runner in runners:
                tasks.start_soon(ensure, runner)
        assert len({ref.external_id for ref in made}) == 1
        await stage.at_work(made[0])
        assert stage.world.agents(order.id) == 1

    async def test_two_orders_are_two_agents(self, stage: Stage) -> None:
        """However alike their ids are; and what happens to one does not happen to the other."""
        (first, one), (second, two) = await stage.running(), await stage.running()
        assert one.external_id != two.external_id
        assert [stage.world.agents(each.id) for each in (first, second)] == [1, 1]
        await stage.runner.stop(one, 0)
        await stage.until(one, *OVER)
        assert [stage.world.agents(each.id) for each in (first, second)] == [0, 1]

    async def test_an_agent_that_ended_is_not_started_again(self, stage: Stage) -> None:
        """The dispatcher decides about another one; it is another order then."""
        order, ref = await stage.running()
        stage.world.end(order.id, 0)
        await stage.until(ref, *OVER)
        stage.restart()
        with suppress(BuilddError):
            await stage.runner.ensure(order)
        assert stage.world.agents(order.id) == 0

    @pytest.mark.parametrize("trouble", _SAFE_TO_REPEAT)
    async def test_after_trouble_the_next_call_finds_the_agent_or_starts_it(
        self, stage: Stage, trouble: Trouble
    ) -> None:
        """A runner may try again by itself, or tell that trying again may help."""
        order = stage.order()
        stage.world.befall(trouble)
        with suppress(*TRANSIENT):
            await stage.runner.ensure(order)
        stage.restart()
        ref = await stage.runner.ensure(order)
        await stage.at_work(ref)
        assert stage.world.agents(order.id) == 1

    async def test_what_nobody_wrote_down_is_found_and_stopped(self, stage: Stage) -> None:
        """The runner died between the call and its answer, and the order is not wanted any more."""
        order = stage.order()
        stage.world.befall(Trouble.ANSWER_LOST)
        with suppress(*TRANSIENT):
            await stage.runner.ensure(order)
        stage.restart()
        [orphan] = await stage.runner.list_owned()
        assert orphan.order_id == order.id
        await stage.runner.stop(orphan, 0)
        await stage.until(orphan, *OVER)
        assert stage.world.agents(order.id) == 0

    @pytest.mark.parametrize("checkpoints", [0, 1, 2, 5])
    async def test_a_call_that_is_cancelled_can_be_made_again(
        self, stage: Stage, checkpoints: int
    ) -> None:
        """The server is shut down in the middle of it."""
        order = stage.order()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_give_up, stage.runner, order)
            for _ in range(checkpoints):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        stage.restart()
        ref = await stage.runner.ensure(order)
        await stage.at_work(ref)
        assert stage.world.agents(order.id) == 1

    async def test_a_refusal_is_told_as_one_that_stays(self, stage: Stage) -> None:
        """It ends the retries, so it must not be what a busy platform says."""
        order = stage.order()
        stage.world.befall(Trouble.REFUSED)
        with pytest.raises(BuilddError) as refused:
            await stage.runner.ensure(order)
        assert not isinstance(refused.value, TRANSIENT)
        one_line(refused.value)
        assert stage.world.agents(order.id) == 0


async def _give_up(runner: Runner, order: LaunchOrder) -> None:
    with suppress(*TRANSIENT):
        await runner.ensure(order)
