"""Limits while a run runs: time, the task's money over all attempts, a run's, the day's, a drain."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Principal
from buildd.errors import Invalid, LeaseLost, NotClaimable
from buildd.events import EventType, Filter
from buildd.models import Claimed, Order, ReasonCode, Task
from buildd.retention import Retention
from buildd.states import TaskStatus, WorkerStatus
from buildd.store import audit
from buildd.store.sql.events import OLDEST_SEQ
from buildd.testing import FrozenClock
from tests.broker.conftest import House


def spend(house: House, claimed: Claimed, lease: Principal, total: str) -> list[Order]:
    beat = house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(total)), lease)
    return beat.orders


def test_the_server_ends_what_takes_too_long(house: House) -> None:
    task = house.task(timeout_seconds=30)
    claimed, lease = house.running(house.account())
    house.clock.advance(30 + 60)
    house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
    assert house.broker.reaper.sweep() == 0
    house.clock.advance(1)
    assert house.broker.reaper.sweep() == 1
    assert house.worker(claimed).error_code == "timeout"
    assert house.see(task).status is TaskStatus.PENDING
    with pytest.raises(LeaseLost) as lost:
        house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
    assert lost.value.details["reason"] == "timeout"


def test_waiting_for_a_person_uses_up_no_time(house: House) -> None:
    house.task(timeout_seconds=30)
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.AskWorker(id=claimed.id, type="question", prompt="?"), lease)
    for _ in range(20):
        house.clock.advance(20)
        house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
        assert house.broker.reaper.sweep() == 0
    house.admin(ops.AnswerWorker(id=claimed.id, content="yes"))
    house.clock.advance(30 + 60)
    house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
    assert house.broker.reaper.sweep() == 0
    house.clock.advance(1)
    assert house.broker.reaper.sweep() == 1


def test_a_pause_uses_up_no_time(house: House) -> None:
    house.task(timeout_seconds=30)
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.PauseWorker(id=claimed.id), lease)
    house.clock.advance(3600)
    house.admin(ops.StartWorker(id=claimed.id))
    house.broker.reaper.sweep()
    assert house.worker(claimed).status is WorkerStatus.STARTING


def test_a_tasks_limit_holds_over_all_its_attempts(house: House) -> None:
    task, laptop = house.task(max_cost=Decimal(5), max_attempts=9), house.account()
    claimed, lease = house.running(laptop)
    spend(house, claimed, lease, "4")
    house.broker.execute(ops.FailWorker(id=claimed.id, error="no"), lease)
    assert house.see(task).cost_usd == 4
    house.clock.advance(60)
    claimed, lease = house.running(laptop)
    assert house.books(laptop).reserved_today == 1
    assert spend(house, claimed, lease, "1.5") == [Order.BUDGET_EXHAUSTED]
    house.broker.execute(ops.FailWorker(id=claimed.id, error="stopped"), lease)
    over = house.see(task)
    assert over.status is TaskStatus.FAILED
    assert "$5" in (over.error or "")


def test_a_run_takes_no_more_tasks_than_it_may(house: House) -> None:
    bot = house.account("action", max_tasks_per_run=2, max_concurrent_workers=9)
    for _ in range(5):
        house.task()
    assert len(house.claim(bot, run_id="r1", max_tasks=5).workers) == 2
    claim = house.claim(bot, run_id="r1")
    assert claim.reason is not None
    assert (claim.reason.code, claim.reason.limit) == (ReasonCode.RUN_LIMIT, 2)
    assert len(house.claim(bot, run_id="r2").workers) == 1


def test_a_runs_budget_stops_it(house: House) -> None:
    bot = house.account("action", max_cost_per_run=Decimal(3))
    house.task()
    house.task()
    claimed, lease = house.running(bot, run_id="r1")
    assert spend(house, claimed, lease, "2.99") == []
    assert spend(house, claimed, lease, "3.01") == [Order.BUDGET_EXHAUSTED]
    claim = house.claim(bot, run_id="r1")
    assert claim.reason is not None
    assert claim.reason.code is ReasonCode.RUN_LIMIT


def test_an_account_with_limits_per_run_must_name_its_run(house: House) -> None:
    bot = house.account("action", max_tasks_per_run=1)
    task = house.task()
    claim = house.claim(bot)
    assert claim.reason is not None
    assert claim.reason.code is ReasonCode.RUN_LIMIT
    asked = ops.CreateWorker(
        workspace_id=house.workspace.id, task_id=task.id, account_id=bot.account_id
    )
    with pytest.raises(NotClaimable, match="runId"):
        house.admin(asked)


def test_the_workspaces_budget_of_the_day_asks_too(house: House) -> None:
    house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_cost_per_day=Decimal(2)))
    house.task()
    claimed, lease = house.running(house.account())
    assert spend(house, claimed, lease, "2") == []
    assert spend(house, claimed, lease, "2.5") == [Order.PAUSE]
    house.broker.execute(ops.PauseWorker(id=claimed.id), lease)
    with pytest.raises(NotClaimable):
        house.admin(ops.StartWorker(id=claimed.id))


def test_an_agents_own_question_is_not_overwritten(house: House) -> None:
    account = house.account(max_cost_per_day=Decimal(10))
    house.task()
    claimed, lease = house.running(account)
    house.broker.execute(ops.AskWorker(id=claimed.id, type="question", prompt="Which?"), lease)
    assert spend(house, claimed, lease, "11") == []
    waiting = house.worker(claimed).waiting_for
    assert waiting is not None
    assert waiting.prompt == "Which?"


def over_the_day(house: House) -> tuple[Principal, Task, Claimed, Principal]:
    account = house.account(max_cost_per_day=Decimal(10))
    task = house.task()
    claimed, lease = house.running(account)
    assert spend(house, claimed, lease, "9") == []
    assert spend(house, claimed, lease, "11") == [Order.PAUSE]
    return account, task, claimed, lease


def test_the_days_budget_asks_a_person_and_goes_on_when_told(house: House) -> None:
    account, _, claimed, lease = over_the_day(house)
    waiting = house.worker(claimed).waiting_for
    assert waiting is not None
    assert waiting.options == ["go on", "stop"]
    house.broker.execute(ops.PauseWorker(id=claimed.id), lease)
    paused = house.worker(claimed)
    assert (paused.status, paused.waiting_for) == (WorkerStatus.PAUSED, waiting)
    with pytest.raises(NotClaimable):
        house.admin(ops.StartWorker(id=claimed.id))
    with pytest.raises(Invalid, match="go on"):
        house.admin(ops.AnswerWorker(id=claimed.id, content="maybe"))
    resumed = house.admin(ops.AnswerWorker(id=claimed.id, content="go on"))
    assert (resumed.status, resumed.waiting_for) == (WorkerStatus.STARTING, None)
    again, lease = house.take(account)
    assert again.id == claimed.id
    assert spend(house, claimed, lease, "20") == []


def test_told_to_stop_the_task_goes_back(house: House) -> None:
    _, task, claimed, lease = over_the_day(house)
    ended = house.admin(ops.AnswerWorker(id=claimed.id, content="stop"))
    assert (ended.status, ended.error_code) == (WorkerStatus.ERROR, "budget_exhausted")
    assert house.see(task).status is TaskStatus.PENDING
    with pytest.raises(LeaseLost):
        house.broker.execute(ops.Heartbeat(id=claimed.id), lease)


def test_told_to_go_on_before_it_paused_it_just_goes_on(house: House) -> None:
    _, _, claimed, lease = over_the_day(house)
    wanted = Filter(worker_id=claimed.id, types=frozenset({EventType.WORKER_STATUS}))
    feed = house.broker.subscribe(ADMIN, 0, wanted, lambda: None).result()
    assert house.admin(ops.AnswerWorker(id=claimed.id, content="go on")).status == "running"
    told = {"status": "running", "previousStatus": "running"}
    while told not in [notice.event.data for notice in feed.drain()]:
        pass  # Whoever shows the question learns that it is answered.
    feed.close()
    assert spend(house, claimed, lease, "12") == []


def test_a_draining_account_takes_nothing_and_hands_back(house: House) -> None:
    task, account = house.task(), house.account()
    house.task()
    claimed, lease = house.running(account)
    assert house.admin(ops.DrainAccount(id=str(account.account_id))).draining
    beat = house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
    assert beat.orders == [Order.DRAIN]
    assert house.claim(account).workers == []
    house.broker.execute(ops.ReleaseTask(id=task.id, reason="drain"), lease)
    [mine] = house.admin(ops.WhyTask(id=task.id)).accounts
    assert [reason.code for reason in mine.unmet] == [ReasonCode.DRAINING]
    house.admin(ops.DrainAccount(id=str(account.account_id), draining=False))
    assert house.claim(account).workers


def test_a_child_may_run_although_its_parent_failed(house: House) -> None:
    failing, fine = house.task(), house.task()
    child = house.task(depends_on=[failing.id, fine.id], on_dependency_failure="run")
    house.admin(ops.CancelTask(id=failing.id))
    house.admin(ops.RetryTask(id=failing.id))
    house.admin(ops.CancelTask(id=failing.id))
    laptop = house.account()
    assert house.claim(laptop, task_id=child.id).workers == []
    claimed, lease = house.running(laptop, task_id=fine.id)
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    assert house.claim(laptop, task_id=child.id).workers


@pytest.mark.parametrize("status", [TaskStatus.CANCELLED, TaskStatus.COMPLETED])
def test_a_child_that_runs_anyway_does_not_wait_for_what_is_over(
    house: House, status: TaskStatus
) -> None:
    over, open_, laptop = house.task(), house.task(), house.account(max_concurrent_workers=9)
    if status is TaskStatus.CANCELLED:
        house.admin(ops.CancelTask(id=over.id))
    else:
        claimed, lease = house.running(laptop, task_id=over.id)
        house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    runs = house.task(depends_on=[over.id], on_dependency_failure="run")
    waits = house.task(depends_on=[over.id, open_.id], on_dependency_failure="run")
    assert house.claim(laptop, task_id=runs.id).workers
    assert house.claim(laptop, task_id=waits.id).workers == []
    house.admin(ops.CancelTask(id=open_.id))
    assert house.claim(laptop, task_id=waits.id).workers


def test_old_events_and_tasks_are_forgotten_and_readers_told(database_url: str) -> None:
    clock = FrozenClock()
    keep = Retention(events=timedelta(days=1), tasks=timedelta(days=2))
    broker = Broker.open(database_url, BrokerSettings(clock=clock, retention=keep))
    house = House(broker, clock)
    old, open_ = house.task(), house.task()
    house.admin(ops.CancelTask(id=old.id))
    clock.advance(25 * 3600)
    house.task()
    broker.reaper.sweep()
    last = broker.position
    while last < 4:
        last = broker.position
    listener = broker.subscribe(ADMIN, 1, Filter(), lambda: None).result()
    while not (told := listener.drain()):
        pass
    assert told[0].event.type is EventType.RESET
    clock.advance(25 * 3600)
    broker.reaper.sweep()
    left = {task.id for task in house.admin(ops.ListTasks())}
    assert old.id not in left
    assert open_.id in left
    broker.close()


def test_pruning_keeps_up_with_many_events(database_url: str) -> None:
    clock = FrozenClock()
    keep = Retention(events=timedelta(days=1))
    broker = Broker.open(database_url, BrokerSettings(clock=clock, retention=keep))
    house = House(broker, clock)
    new = ops.BatchedTask(workspace_id=house.workspace.id, title="x")
    for _ in range(3):
        house.admin(ops.CreateTasks(tasks=[new] * 500))
    clock.advance(25 * 3600)
    broker.reaper.sweep()
    [oldest] = broker._store.read(lambda tx: tx.all(OLDEST_SEQ)).result()
    assert oldest.seq is None
    broker.close()


def test_a_clock_that_went_back_leaves_no_gap_in_what_is_kept(database_url: str) -> None:
    clock = FrozenClock()
    keep = Retention(events=timedelta(days=1))
    broker = Broker.open(database_url, BrokerSettings(clock=clock, retention=keep))
    house = House(broker, clock)
    made = 1  # the event of its workspace
    house.task()
    clock.advance(5 * 3600)
    house.task()
    clock.advance(-5 * 3600)
    house.task()
    clock.advance(25 * 3600)
    house.task()
    broker.reaper.sweep()
    [oldest] = broker._store.read(lambda tx: tx.all(OLDEST_SEQ)).result()
    assert oldest.seq == made + 2
    assert audit(database_url) == []
    clock.advance(6 * 3600)
    broker.reaper.sweep()
    [oldest] = broker._store.read(lambda tx: tx.all(OLDEST_SEQ)).result()
    assert oldest.seq == made + 4
    broker.close()


def test_a_failed_task_that_another_waits_for_is_kept(database_url: str) -> None:
    clock = FrozenClock()
    broker = Broker.open(
        database_url, BrokerSettings(clock=clock, retention=Retention(tasks=timedelta(days=1)))
    )
    house = House(broker, clock)
    parent, other = house.task(), house.task()
    child = house.task(depends_on=[parent.id, other.id])
    house.admin(ops.CancelTask(id=parent.id))
    clock.advance(2 * 3600)
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    clock.advance(23 * 3600)
    broker.reaper.sweep()
    assert house.see(parent).status is TaskStatus.CANCELLED
    assert house.see(child).status is TaskStatus.FAILED
    clock.advance(25 * 3600)
    for _ in range(2):
        broker.reaper.sweep()
    assert house.admin(ops.ListTasks()) == []
    broker.close()
    assert audit(database_url) == []
