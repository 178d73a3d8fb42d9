"""What becomes of a launch: it is wanted, started, seen at work, and seen to its end."""

from __future__ import annotations

from buildd.roles import LaunchState
from buildd.states import TaskStatus
from tests.dispatch.depot import Depot
from tests.dispatch.platform import When


def test_a_task_gets_an_agent_that_does_it_and_ends(depot: Depot) -> None:
    pool, task = depot.pool(), depot.task()
    depot.rounds(2)
    launch = depot.launch()
    assert (launch.task_id, launch.status, launch.pool_id) == (task.id, "running", pool.id)
    assert (launch.external_id, launch.url) == (f"machine-{launch.id}", f"http://far/{launch.id}")
    depot.done(depot.works(launch))
    depot.platform.end(launch.id)
    depot.rounds(2)
    launch = depot.launch()
    assert (launch.status, launch.exit_code) == ("ended", 0)
    assert depot.house.see(task).status is TaskStatus.COMPLETED
    assert depot.platform.count("ensure") == 1


def test_what_waits_at_its_platform_is_not_running(depot: Depot) -> None:
    depot.pool()
    depot.task()
    depot.platform.starts_as = LaunchState.PENDING
    depot.rounds(3)
    assert depot.statuses() == ["starting"]
    depot.platform.machines[depot.launch().id].state = LaunchState.RUNNING
    depot.rounds(1)
    assert depot.statuses() == ["running"]


def test_an_agent_may_tell_which_run_it_is_before_its_platform_does(depot: Depot) -> None:
    depot.pool(depot.house.account("action"))
    depot.task()
    depot.platform.realm = "4711"
    depot.platform.fail("ensure", When.AFTER)
    depot.server.round()
    launch = depot.launch()
    [claimed] = depot.house.claim(depot.agent(launch), run_id="815", max_tasks=1).workers
    depot.rounds(3)
    launch = depot.launch()
    assert (launch.status, launch.external_id, launch.worker_id) == ("running", "815", claimed.id)


def test_what_an_agent_told_meanwhile_is_kept(depot: Depot) -> None:
    depot.pool(depot.house.account("action"))
    depot.task()

    def comes_in() -> None:
        depot.house.claim(depot.agent(depot.launch()), run_id="815", max_tasks=1)

    depot.platform.meanwhile = comes_in
    depot.server.round()
    launch = depot.launch()
    assert (launch.status, launch.external_id) == ("starting", "815")
    assert launch.url == f"http://far/{launch.id}"
