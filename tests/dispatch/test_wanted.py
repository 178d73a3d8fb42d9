"""Which launches there should be: the claim's own rules, each task once, limits kept, idle ones ready."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from buildd import operations as ops
from buildd.models import Pool, Task
from tests.dispatch.depot import Depot


def _not_granted(depot: Depot) -> None:
    account = depot.house.account("service")
    depot.house.admin(
        ops.RevokeGrant(account_id=str(account.account_id), workspace_id=depot.house.workspace.id)
    )
    depot.pool(account)
    depot.task()


def _elsewhere(depot: Depot) -> None:
    other = depot.house.admin(ops.CreateWorkspace(name="other"))
    depot.pool(workspace_id=other.id)
    depot.task()


def _for_others(depot: Depot) -> None:
    depot.pool()
    depot.task(runner_preference="user")


def _incapable(depot: Depot) -> None:
    depot.pool(capabilities=["cpu"])
    depot.task(required_capabilities=["cpu", "gpu"])


def _not_yet(depot: Depot) -> None:
    depot.pool()
    depot.task(not_before=depot.house.clock.now().replace(year=2030))


def _waits_for_another(depot: Depot) -> None:
    parent = depot.task(runner_preference="user")
    depot.pool()
    depot.task(depends_on=[parent.id])


def _disabled(depot: Depot) -> None:
    depot.pool(enabled=False)
    depot.task()


def _draining(depot: Depot) -> None:
    account = depot.house.account("service")
    depot.pool(account, minimum=1)
    depot.house.admin(ops.DrainAccount(id=str(account.account_id)))
    depot.task()


def _no_money(depot: Depot) -> None:
    depot.pool(depot.house.account("service", max_cost_per_day=1))
    depot.task(max_cost=2)


@pytest.mark.parametrize(
    "stage",
    [
        _not_granted,
        _elsewhere,
        _for_others,
        _incapable,
        _not_yet,
        _waits_for_another,
        _disabled,
        _draining,
        _no_money,
    ],
)
def test_nothing_is_started_for_what_the_account_may_not_take(
    depot: Depot, stage: Callable[[Depot], None]
) -> None:
    stage(depot)
    depot.rounds(2)
    assert depot.launches() == []


def test_an_agent_is_told_what_it_needs(depot: Depot) -> None:
    depot.environ["MODEL_KEY"] = "sk-1"
    depot.pool(
        capabilities=["gpu", "x=y"],
        arguments=["--executor=command"],
        pass_env=["MODEL_KEY"],
        server="https://buildd.example.com",
    )
    task = depot.task(required_capabilities=["gpu"])
    depot.rounds(1)
    order = depot.platform.machines[depot.launch().id].order
    assert (order.id, order.task_id, order.max_tasks) == (depot.launch().id, task.id, 1)
    assert order.arguments == (
        "--once",
        "--drain-timeout=20",
        "--capability=gpu",
        "--capability=x=y",
        "--executor=command",
    )
    assert order.server == "https://buildd.example.com"
    assert order.settings == {"MODEL_KEY": "sk-1"}
    assert order.key.startswith("buildd_acquire_")
    assert "sk-1" not in repr(order)
    assert order.key not in repr(order)


def test_a_pool_never_has_more_than_its_maximum(depot: Depot) -> None:
    depot.pool(maximum=2)
    tasks = [depot.task() for _ in range(4)]
    depot.rounds(3)
    assert [each.task_id for each in depot.launches()] == [tasks[0].id, tasks[1].id]
    first = depot.launches()[0]
    depot.done(depot.works(first))
    depot.platform.end(first.id)
    depot.rounds(2)
    assert [each.task_id for each in depot.launches(open=True)] == [tasks[1].id, tasks[2].id]


def test_pools_of_one_account_share_its_slots(depot: Depot) -> None:
    account = depot.house.account("service", max_concurrent_workers=2)
    depot.pool(account, name="a")
    depot.pool(account, name="b")
    for _ in range(4):
        depot.task()
    depot.house.take(account)
    depot.rounds(2)
    assert len(depot.launches()) == 1


def test_what_is_urgent_comes_first(depot: Depot) -> None:
    depot.pool(maximum=1)
    depot.task(priority=1)
    urgent = depot.task(priority=2)
    depot.rounds(1)
    assert depot.launch().task_id == urgent.id


def test_the_pool_that_was_made_first_gets_the_task_and_the_next_one_what_is_left(
    depot: Depot,
) -> None:
    first = depot.pool(name="first", maximum=1)
    second = depot.pool(name="second", maximum=5)
    for _ in range(3):
        depot.task()
    depot.rounds(1)
    assert [each.pool_id for each in depot.launches()] == [first.id, second.id, second.id]


def test_a_plugin_may_prefer_another_pool(depot: Depot) -> None:
    depot.pool(name="first")
    second = depot.pool(name="second")
    asked: list[tuple[str, list[str]]] = []

    def prefer(task: Task, pools: list[Pool]) -> str | None:
        asked.append((task.title, [pool.name for pool in pools]))
        return "second" if task.title == "special" else None

    depot.prefer = prefer
    depot.server = depot.another_server()
    depot.task(title="usual")
    special = depot.task(title="special")
    depot.rounds(1)
    assert [each.task_id for each in depot.launches(pool_id=second.id)] == [special.id]
    assert ("special", ["first", "second"]) in asked


def test_two_servers_and_three_pools_start_one_agent_for_each_attempt(depot: Depot) -> None:
    for name in ("a", "b", "c"):
        depot.pool(name=name, maximum=10)
    tasks = [depot.task() for _ in range(8)]
    other = depot.another_server()
    for _ in range(2):
        depot.server.round()
        other.round()
        depot.house.clock.advance(20)
    assert sorted(str(each.task_id) for each in depot.launches()) == [task.id for task in tasks]
    assert depot.platform.count("ensure") == 8


def test_an_agent_that_waits_for_work_is_given_time_to_take_it(depot: Depot) -> None:
    depot.pool()
    idle = depot.house.account("user")
    depot.house.claim(idle, agent_id="laptop")
    depot.task()
    depot.server.round()
    assert depot.launches() == []
    depot.house.clock.advance(3)
    depot.server.round()
    assert len(depot.launches()) == 1


@pytest.mark.parametrize(
    "claim", [{"capabilities": []}, {"workspace_id": "other"}], ids=["incapable", "elsewhere"]
)
def test_an_agent_that_could_not_take_it_is_not_waited_for(
    depot: Depot, claim: dict[str, object]
) -> None:
    if "workspace_id" in claim:
        claim["workspace_id"] = depot.house.admin(ops.CreateWorkspace(name="other")).id
    depot.pool(capabilities=["gpu"])
    idle = depot.house.account("user")
    depot.house.claim(idle, agent_id="laptop", **claim)
    depot.task(required_capabilities=["gpu"])
    depot.server.round()
    assert len(depot.launches()) == 1


def test_the_next_attempt_gets_an_agent_of_its_own_when_the_last_one_is_over(depot: Depot) -> None:
    depot.pool()
    task = depot.task()
    depot.rounds(2)
    first = depot.launch()
    _, lease = depot.works(first)
    depot.house.broker.execute(ops.FailWorker(id=str(lease.worker_id), error="no"), lease)
    depot.house.clock.advance(30)
    depot.rounds(1)
    assert len(depot.launches()) == 1
    depot.platform.end(first.id, 1)
    depot.rounds(2)
    second = depot.launches()[1]
    assert (second.task_id, second.epoch) == (task.id, 1)
    assert depot.refused(second) is None


def test_idle_agents_are_kept_ready_and_replaced_when_they_took_work(depot: Depot) -> None:
    pool = depot.pool(minimum=2, maximum=3)
    depot.rounds(2)
    warm = depot.launches()
    assert [each.status for each in warm] == ["running", "running"]
    assert all(each.task_id is None for each in warm)
    assert depot.key(warm[0]).startswith("buildd_enrol_")
    enrolled = depot.house.broker.execute(ops.Enrol(), depot.agent(warm[0]))
    agent = depot.house.broker.authenticate(enrolled.api_key).result()
    depot.task()
    depot.house.take(agent, agent_id="warm")
    depot.rounds(2)
    taken, idle, new = depot.launches()
    assert taken.worker_id is not None
    assert (idle.worker_id, new.worker_id, new.task_id) == (None, None, None)
    assert depot.see(pool).open_launches == 3


def test_idle_agents_never_exceed_the_maximum(depot: Depot) -> None:
    depot.pool(maximum=2, minimum=1)
    depot.task()
    depot.rounds(1)
    depot.task()
    depot.rounds(2)
    assert len(depot.launches(open=True)) == 2


def test_a_pool_scales_down_and_to_nothing(depot: Depot) -> None:
    pool = depot.pool(minimum=3)
    depot.rounds(1)
    depot.change(pool, minimum=1)
    depot.rounds(2)
    oldest, *others = depot.launches()
    assert oldest.status == "running"
    assert [each.status for each in others] == ["ended", "ended"]
    depot.change(pool, minimum=0)
    depot.rounds(2)
    assert depot.launches(open=True) == []
    assert depot.see(pool).failures == 0
    assert depot.platform.alive() == []
