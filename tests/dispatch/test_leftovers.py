"""What lives on at a platform: stopped when the database knows that it is over, else told of."""

from __future__ import annotations

import logging

import anyio
import pytest

from buildd.errors import Unreachable
from buildd.roles import LaunchOrder, LaunchState
from tests.dispatch.depot import Depot
from tests.dispatch.platform import Fault, Machine, When


def _foreign(depot: Depot) -> str:
    order = LaunchOrder("lch_of_others", "http://elsewhere", "k")
    depot.platform.machines[order.id] = Machine(order)
    return order.id


def _came_back(depot: Depot) -> str:
    """A launch whose end was told too early."""
    depot.task()
    depot.rounds(1)
    launch = depot.launch()
    depot.platform.end(launch.id)
    depot.rounds(1, pause=1)
    depot.platform.machines[launch.id].state = LaunchState.RUNNING
    return launch.id


def test_what_is_over_and_lives_on_is_stopped(depot: Depot) -> None:
    depot.pool(maximum=1)
    orphan = _came_back(depot)
    depot.rounds(2, pause=61)
    assert depot.platform.machines[orphan].state is LaunchState.EXITED


def test_what_nobody_here_knows_is_told_of_once_and_left_alone(
    depot: Depot, caplog: pytest.LogCaptureFixture
) -> None:
    depot.pool()
    orphan = _came_back(depot)
    foreign = _foreign(depot)
    with caplog.at_level(logging.WARNING, "buildd.dispatch"):
        depot.rounds(4, pause=61)
    assert foreign in depot.platform.alive()
    assert orphan not in depot.platform.alive()
    [told] = [each for each in caplog.messages if foreign in each]
    assert "buildd pools reap" in told


def test_a_person_may_look_first_and_then_have_all_of_it_stopped(depot: Depot) -> None:
    pool = depot.pool()
    orphan = _came_back(depot)
    foreign = _foreign(depot)
    found = depot.server.reap(pool, dry_run=True)
    assert {(each.launch_id, each.known, each.stopped) for each in found} == {
        (orphan, True, False),
        (foreign, False, False),
    }
    assert len(depot.platform.alive()) == 2
    found = depot.server.reap(pool)
    assert all(each.stopped for each in found)
    assert depot.platform.alive() == []
    assert depot.server.reap(pool) == []


def test_what_cannot_be_stopped_is_told(depot: Depot) -> None:
    pool = depot.pool()
    foreign = _foreign(depot)
    depot.platform.fail("stop", When.BEFORE, Unreachable("the line is dead"))
    [found] = depot.server.reap(pool)
    assert (found.launch_id, found.stopped, found.detail) == (foreign, False, "the line is dead")


def test_what_is_wanted_is_no_leftover(depot: Depot) -> None:
    pool = depot.pool(minimum=1)
    depot.task()
    depot.rounds(4, pause=61)
    assert depot.server.reap(pool, dry_run=True) == []
    assert len(depot.platform.alive()) == 2


def test_each_platform_is_asked_by_one_of_several_servers(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.server.round()
    other = depot.another_server()
    for _ in range(3):
        depot.server.round()
        other.round()
    assert depot.platform.count("list_owned") == 1


def test_a_platform_that_is_away_is_asked_again(
    depot: Depot, caplog: pytest.LogCaptureFixture
) -> None:
    depot.pool()
    depot.task()
    depot.server.round()
    depot.platform.fail("list_owned", When.BEFORE)
    with caplog.at_level(logging.WARNING, "buildd.dispatch"):
        depot.rounds(2, pause=61)
    assert "cannot look for what is left over" in caplog.text
    assert depot.platform.count("list_owned") == 2


def test_what_a_runner_keeps_of_the_ended_is_removed_after_a_day(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.rounds(2)
    launch = depot.launch()
    depot.done(depot.works(launch))
    depot.platform.end(launch.id)
    depot.rounds(3, pause=28_000)
    assert list(depot.platform.machines) == [launch.id]
    depot.rounds(2, pause=28_000)
    assert not depot.platform.machines


def test_what_has_ended_is_looked_at_once_however_long_it_is_kept(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.rounds(2)
    launch = depot.launch()
    depot.done(depot.works(launch))
    depot.platform.end(launch.id)
    depot.rounds(3, pause=61)
    looks = depot.platform.count("observe")
    depot.rounds(5, pause=61)
    assert depot.platform.count("list_owned") >= 7
    assert depot.platform.count("observe") == looks


def test_a_platform_that_is_slow_is_not_asked_twice_at_once(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.rounds(1, pause=61)
    before = depot.platform.count("list_owned")

    async def four_rounds() -> None:
        asked = anyio.Event()

        def silence(method: str, _order: str) -> Fault | None:
            if method != "list_owned":
                return None
            asked.set()
            return Fault(method, When.DURING)

        depot.platform.luck = silence
        async with anyio.create_task_group() as tasks:
            await depot.server.rounds.go(tasks)
            await asked.wait()
            for _ in range(3):
                depot.house.clock.advance(61)
                await depot.server.rounds.go(tasks)
            # Behind what the rounds have begun to write.
            await depot.server.rounds._write(lambda _: None)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    anyio.run(four_rounds)
    assert depot.platform.count("list_owned") == before + 1
