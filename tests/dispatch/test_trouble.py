"""What a dispatcher makes of platforms that fail, and of its own death in the middle of a call."""

from __future__ import annotations

import logging
from itertools import product

import pytest

from buildd import operations as ops
from buildd.errors import BuilddError, ConfigError, OutcomeUnknown, RateLimited, Unreachable
from buildd.models import Launch
from buildd.roles import LaunchState
from buildd.states import TaskStatus
from tests.broker.conftest import House
from tests.dispatch.depot import Depot
from tests.dispatch.platform import Killed, When


@pytest.mark.parametrize("how", ["error", "silence", "death"])
def test_one_agent_whatever_befalls_a_call(house: House, how: str) -> None:
    for method, when in product(("ensure", "observe", "stop"), When):
        depot = Depot(house)
        depot.server = depot.another_server(call=0.05)
        pool, task = depot.pool(name=f"{method} {when}"), depot.task()
        match how:
            case "error":
                depot.platform.fail(method, when)
            case "silence":
                depot.platform.hang(method, when)
            case "death":
                depot.platform.fail(method, when, Killed())
        depot.rounds(4, pause=130)
        [launch] = depot.launches(pool_id=pool.id)
        assert launch.status == "running"
        work = depot.works(launch)
        if method == "stop":
            house.admin(ops.CancelTask(id=task.id))
            house.admin(ops.StopLaunch(id=launch.id))
            depot.rounds(4, pause=130)
        else:
            assert depot.platform.alive() == [launch.id]
            depot.done(work)
            depot.platform.end(launch.id)
            depot.rounds(2)
        [launch] = depot.launches(pool_id=pool.id)
        assert launch.status == "ended"
        assert depot.platform.alive() == []
        assert not depot.platform.faults
        assert list(depot.platform.machines) == [launch.id]
        depot.change(pool, enabled=False)
        if method != "stop":
            assert house.see(task).status is TaskStatus.COMPLETED


def test_what_was_started_without_an_answer_may_claim_with_its_first_token(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.platform.fail("ensure", When.AFTER)
    depot.server.round()
    assert depot.statuses() == ["requested"]
    depot.works(depot.launch())
    depot.rounds(3)
    assert depot.statuses() == ["running"]
    assert "was used" in str(depot.refused(depot.launch()))


@pytest.mark.parametrize("status", ["starting", "running", "stopping"])
def test_unknown_is_neither_at_work_nor_dead(depot: Depot, status: str) -> None:
    depot.pool()
    depot.task()
    depot.platform.starts_as = LaunchState.PENDING if status == "starting" else LaunchState.RUNNING
    depot.rounds(2)
    depot.platform.blind = True
    depot.platform.stubborn = True
    if status == "stopping":
        depot.house.admin(ops.StopLaunch(id=depot.launch().id))
    depot.rounds(6, pause=60)
    launch = depot.launch()
    assert launch.status == status
    assert launch.unknown_since is not None
    assert launch.detail == "the platform does not answer"
    depot.platform.blind = depot.platform.stubborn = False
    depot.platform.end(launch.id)
    depot.rounds(2, pause=60)
    assert depot.launches()[0].status == "ended"


@pytest.mark.parametrize("problem", [Unreachable("no"), RateLimited("slow down"), OutcomeUnknown()])
def test_trouble_that_may_pass_is_waited_for_longer_each_time(
    depot: Depot, problem: Exception
) -> None:
    pool = depot.pool(start_timeout_seconds=900)
    depot.task()
    waits = []
    for _ in range(5):
        depot.platform.fail("ensure", When.BEFORE, problem)
        depot.server.round()
        retry_at = depot.launch().retry_at
        assert retry_at is not None
        waits.append((retry_at - depot.house.clock.now()).total_seconds())
        depot.house.clock.advance(waits[-1])
    assert waits[0] <= 1
    assert 4 <= waits[-1] <= 16
    depot.server.round()
    assert depot.statuses() == ["starting"]
    assert {order for name, order in depot.platform.calls if name == "ensure"} == {
        depot.launch().id
    }
    assert not depot.see(pool).halted


def _halted(depot: Depot) -> Launch:
    depot.task()
    depot.platform.fail("ensure", When.BEFORE, ConfigError("template: there is none"))
    depot.rounds(3)
    return depot.launch()


def test_an_error_that_stays_halts_the_pool_until_it_is_changed(
    depot: Depot, caplog: pytest.LogCaptureFixture
) -> None:
    pool = depot.pool()
    with caplog.at_level(logging.INFO, "buildd.dispatch"):
        launch = _halted(depot)
    assert (launch.status, launch.detail) == ("failed", "template: there is none")
    seen = depot.see(pool)
    assert (seen.halted, seen.last_error) == (True, "template: there is none")
    [told] = [each for each in caplog.messages if "template" in each]
    assert "buildd pools check" in told
    assert "\n" not in told
    depot.change(pool, config={"template": "another"})
    depot.rounds(2)
    assert depot.statuses() == ["failed", "running"]


def test_a_check_that_passes_lets_a_halted_pool_go_on(depot: Depot) -> None:
    pool = depot.pool()
    _halted(depot)
    depot.platform.broken = ConfigError("still none")
    check = depot.server.check(pool)
    assert (check.passed, check.detail) == (False, "still none")
    assert depot.see(pool).halted
    depot.platform.broken = None
    assert depot.server.check(pool).passed
    depot.rounds(2)
    assert depot.statuses() == ["failed", "running"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"pass_env": ["MODEL_KEY"]}, "MODEL_KEY"),
        ({"runner": "nothing"}, "nothing"),
    ],
)
def test_what_a_pool_lacks_is_told_by_its_name(
    depot: Depot, fields: dict[str, object], told: str
) -> None:
    if "runner" in fields:
        fine = depot.platform.make

        def make(name: str, config: object) -> object:
            if name == "nothing":
                raise ConfigError(f"there is no runner {name!r}")
            return fine(name, {})

        depot.platform.make = make  # type: ignore[method-assign, assignment]
        depot.server = depot.another_server()
    pool = depot.pool(**fields)
    depot.task()
    depot.rounds(1)
    assert told in str(depot.see(pool).last_error)
    assert told in str(depot.server.check(pool).detail)


def test_a_check_sees_whether_the_runner_serves_the_account(depot: Depot) -> None:
    pool = depot.pool(depot.house.account("action"))
    check = depot.server.check(pool)
    assert not check.passed
    assert "not action" in str(check.detail)


def test_the_fault_of_a_plugin_is_one_line_and_ends_nothing(
    depot: Depot, caplog: pytest.LogCaptureFixture
) -> None:
    depot.pool()
    depot.task()
    depot.platform.fail("ensure", When.BEFORE, ValueError("two\nlines"))
    with caplog.at_level(logging.INFO, "buildd.dispatch"):
        depot.rounds(1)
    [told] = [each for each in caplog.messages if "ValueError" in each]
    assert "\n" not in told
    depot.rounds(2)
    assert depot.statuses() == ["running"]


def test_what_a_platform_says_is_kept_as_one_line_that_anybody_may_be_shown(depot: Depot) -> None:
    rude = "\x1b[2Jsaid\x00\nin \ud800" + 2000 * "!"
    pool = depot.pool()
    depot.task()
    depot.platform.fail("ensure", When.BEFORE, Unreachable(rude))
    depot.rounds(1)
    told = [depot.launch().detail]
    depot.platform.says = rude
    depot.rounds(2)
    told.append(depot.launch().detail)
    depot.platform.broken = ConfigError(rude)
    told.append(depot.server.check(pool).detail)
    for each in told:
        assert str(each).startswith("[2Jsaid in !")
        assert len(str(each)) == 1000


@pytest.mark.parametrize("problem", [None, Unreachable("late"), ConfigError("late")])
def test_a_late_answer_of_an_old_turn_changes_nothing(
    depot: Depot, problem: BuilddError | None
) -> None:
    pool, other = depot.pool(), depot.another_server()
    depot.task()

    def meanwhile() -> None:
        # This server is stopped for longer than its turn, and another one acts.
        depot.platform.meanwhile = lambda: None
        depot.house.clock.advance(121)
        other.round()
        other.round()
        seen.append(depot.launch())

    seen: list[Launch] = []
    depot.platform.meanwhile = meanwhile
    if problem is not None:
        depot.platform.fail("ensure", When.AFTER, problem)
    depot.server.round()
    assert [each.status for each in seen] == ["running"]
    assert depot.launches() == seen
    assert not depot.see(pool).halted


def test_nobody_acts_while_another_server_does(depot: Depot) -> None:
    depot.pool()
    depot.task()
    other = depot.another_server()
    calls: list[int] = []

    def meanwhile() -> None:
        depot.house.clock.advance(60)
        other.round()
        calls.append(depot.platform.count("ensure"))

    depot.platform.meanwhile = meanwhile
    depot.server.round()
    assert calls == [1]


def test_what_is_at_work_is_kept_from_being_ended_by_its_platform(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.rounds(2)
    depot.works(depot.launch())
    depot.rounds(3, pause=100)
    assert depot.platform.extended == []
    depot.platform.fail("extend", When.BEFORE)
    depot.rounds(8, pause=100)
    assert depot.platform.extended == []
    depot.rounds(10, pause=100)
    assert depot.platform.extended == [3600]
    assert depot.statuses() == ["running"]


def test_what_was_never_started_needs_no_platform_to_be_over(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.platform.fail("ensure", When.BEFORE)
    depot.server.round()
    depot.house.admin(ops.StopLaunch(id=depot.launch().id))
    depot.server.round()
    assert depot.statuses()[0] == "ended"


def test_what_was_started_without_an_answer_is_found_to_be_stopped(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.platform.fail("ensure", When.AFTER)
    depot.server.round()
    launch = depot.launch()
    assert depot.platform.alive() == [launch.id]
    depot.house.admin(ops.StopLaunch(id=launch.id))
    depot.server.round()
    assert launch.id not in depot.platform.alive()
    assert depot.launches()[0].status == "ended"
