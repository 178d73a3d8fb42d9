"""Which launches should not go on, and how they are brought to their end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from buildd import operations as ops
from buildd.states import TaskStatus
from tests.dispatch.depot import Depot


def test_an_agent_that_takes_no_work_in_time_is_stopped_and_its_pool_waits(depot: Depot) -> None:
    pool = depot.pool(start_timeout_seconds=60)
    depot.task()
    depot.rounds(3)
    assert depot.statuses() == ["running"]
    depot.rounds(2, pause=0.1)
    launch = depot.launch()
    assert (launch.status, launch.stop_reason) == ("ended", "its agent took no work in time")
    assert depot.platform.alive() == []
    assert depot.see(pool).failures == 1


def test_the_wait_of_a_pool_doubles_and_a_claim_ends_it(depot: Depot) -> None:
    pool = depot.pool()
    depot.task()
    waits = []
    for _ in range(3):
        depot.server.round()
        [launch] = depot.launches(open=True)
        depot.platform.end(launch.id, 1)
        depot.house.clock.advance(1)
        depot.server.round()
        seen = depot.see(pool)
        assert seen.retry_at is not None
        waits.append((seen.retry_at - depot.house.clock.now()).total_seconds())
        depot.house.clock.advance(waits[-1] - 0.5)
        depot.server.round()
        assert depot.launches(open=True) == []
        depot.house.clock.advance(0.5)
    bounds = (10, 20, 40)
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert depot.see(pool).last_error == "it is exited"
    depot.server.round()
    [launch] = depot.launches(open=True)
    depot.works(launch)
    assert (depot.see(pool).failures, depot.see(pool).last_error) == (0, None)


def test_what_has_been_at_work_for_long_speaks_for_no_later_launch(depot: Depot) -> None:
    pool = depot.pool()
    depot.task()
    depot.rounds(2)
    depot.works(depot.launch())
    depot.task()
    for _ in range(3):
        depot.rounds(3)
        _, launch = depot.launches(open=True)
        depot.platform.end(launch.id, 1)
    depot.server.round()
    assert depot.see(pool).failures == 3


def test_what_somebody_else_took_needs_no_agent_and_is_nobodys_fault(depot: Depot) -> None:
    pool, laptop = depot.pool(), depot.house.account("user")
    depot.task()
    depot.rounds(1)
    depot.house.take(laptop)
    depot.rounds(2)
    launch = depot.launch()
    assert (launch.status, launch.stop_reason) == (
        "ended",
        "its task does not need it any more",
    )
    assert depot.see(pool).failures == 0
    assert depot.refused(launch)


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_task_that_is_called_off_needs_no_agent(depot: Depot, end: str) -> None:
    depot.pool()
    task = depot.task()
    depot.rounds(1)
    depot.house.admin(ops.CancelTask(id=task.id) if end == "cancel" else ops.DeleteTask(id=task.id))
    depot.rounds(2)
    assert depot.statuses() == ["ended"]
    assert depot.platform.alive() == []


def test_a_person_may_stop_a_launch_and_its_work_goes_back(depot: Depot) -> None:
    pool = depot.pool()
    task = depot.task()
    depot.rounds(2)
    launch = depot.launch()
    depot.works(launch)
    depot.house.admin(ops.StopLaunch(id=launch.id))
    assert depot.launch().status == "stopping"
    depot.server.round()
    assert depot.launch().status == "ended"
    assert depot.platform.machines[launch.id].grace == 30
    assert depot.see(pool).failures == 0
    assert depot.house.see(task).status is TaskStatus.RUNNING  # until its lease is over


def test_the_token_of_a_launch_dies_with_it(depot: Depot) -> None:
    depot.pool(maximum=1)
    depot.task()
    depot.rounds(2)
    launch = depot.launch()
    depot.house.admin(ops.StopLaunch(id=launch.id))
    assert "stopping" in str(depot.refused(launch))
    depot.server.round()
    assert "ended" in str(depot.refused(launch))


def test_an_agent_that_stays_after_its_attempt_is_ended(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.rounds(2)
    depot.done(depot.works(depot.launch()))
    depot.rounds(2)
    assert depot.statuses() == ["running"]
    depot.rounds(3)
    assert depot.statuses() == ["ended"]
    assert depot.launch().stop_reason == "its attempt is over"


def test_a_disabled_pool_lets_work_finish_and_starts_none(depot: Depot) -> None:
    pool = depot.pool()
    for _ in range(2):
        depot.task()
    depot.rounds(2)
    working, waiting = depot.launches()
    work = depot.works(working)
    depot.change(pool, enabled=False)
    depot.task()
    depot.rounds(3)
    assert depot.statuses() == ["running", "ended"]
    assert depot.launches()[1].stop_reason == "its pool is disabled"
    depot.done(work)
    depot.platform.end(working.id)
    depot.rounds(2)
    assert depot.launches(open=True) == []
    depot.house.admin(ops.DeletePool(id=pool.id))
    assert waiting.id not in depot.platform.alive()


def test_an_agent_that_does_not_listen_is_ended_by_force(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.rounds(2)
    depot.platform.stubborn = True
    launch = depot.launch()
    depot.house.admin(ops.StopLaunch(id=launch.id))
    depot.rounds(3)
    assert depot.statuses() == ["stopping"]
    depot.rounds(4)
    assert depot.statuses()[0] == "ended"
    assert depot.platform.machines[launch.id].grace == 0


def test_a_person_may_give_up_what_is_on_a_platform_that_is_lost(depot: Depot) -> None:
    pool = depot.pool(maximum=1)
    task = depot.task()
    depot.rounds(2)
    launch = depot.launch()
    depot.platform.blind = depot.platform.stubborn = True
    depot.house.admin(ops.CancelTask(id=task.id))
    depot.house.admin(ops.StopLaunch(id=launch.id))
    assert depot.house.admin(ops.StopLaunch(id=launch.id)).status == "stopping"
    depot.rounds(2)
    given_up = depot.house.admin(ops.StopLaunch(id=launch.id))
    assert given_up.status == "ended"
    assert "given up" in str(given_up.detail)
    depot.platform.blind = depot.platform.stubborn = False
    depot.rounds(2, pause=61)
    assert depot.platform.alive() == []
    depot.house.admin(ops.DeletePool(id=pool.id))


def test_an_agent_has_its_grace_though_its_runner_does_not_wait(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.rounds(2)
    depot.platform.stubborn = True
    launch = depot.launch()
    depot.house.admin(ops.StopLaunch(id=launch.id))
    depot.server.round()
    asked = depot.house.clock.now()
    machine = depot.platform.machines[launch.id]
    assert machine.grace == 30
    while machine.grace:
        depot.rounds(pause=0.5)
        assert depot.platform.count("stop") <= 2
    given = depot.house.clock.now() - asked
    assert timedelta(seconds=30) <= given < timedelta(seconds=60)


def test_an_agent_that_is_to_end_while_it_is_looked_at_may_drain(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.rounds(2)
    launch = depot.launch()

    def meanwhile(method: str, _order: str) -> None:
        if method == "observe":
            depot.platform.luck = lambda _method, _order: None
            depot.house.admin(ops.StopLaunch(id=launch.id))

    depot.platform.luck = meanwhile
    depot.server.round()
    assert depot.statuses() == ["stopping"]
    depot.server.round()
    assert depot.statuses() == ["ended"]
    assert depot.platform.machines[launch.id].grace == 30
