"""How attempts move and end: every (status, verb) pair, the fence, retries, dependencies, money."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal

import pytest
import sqlalchemy as sa

from buildd import operations as ops
from buildd.broker import ADMIN, Principal
from buildd.errors import BuilddError, Forbidden, Invalid, LeaseLost, NotFound, WrongState
from buildd.models import Claimed, Order
from buildd.operations import Operation
from buildd.states import WORKER, TaskStatus, WorkerStatus, WorkerVerb
from buildd.store import Statement, tables
from tests.broker.conftest import House

By = Callable[[str], Operation[object]]

LEASE_VERBS: dict[WorkerVerb, By] = {
    WorkerVerb.START: lambda id: ops.StartWorker(id=id),  # noqa: A006
    WorkerVerb.ASK: lambda id: ops.AskWorker(id=id, type="question", prompt="?"),  # noqa: A006
    WorkerVerb.PAUSE: lambda id: ops.PauseWorker(id=id),  # noqa: A006
    WorkerVerb.COMPLETE: lambda id: ops.CompleteWorker(id=id),  # noqa: A006
    WorkerVerb.FAIL: lambda id: ops.FailWorker(id=id, error="no"),  # noqa: A006
}
PERSONS_VERBS: dict[WorkerVerb, By] = {
    WorkerVerb.ANSWER: lambda id: ops.AnswerWorker(id=id, content="yes"),  # noqa: A006
    WorkerVerb.CANCEL: lambda id: ops.CancelWorker(id=id),  # noqa: A006
}


def bring(house: House, status: WorkerStatus) -> tuple[Claimed, Principal]:
    """A worker in that status, with the lease it last had."""
    house.task()
    claimed, lease = house.take(house.account())
    path: dict[WorkerStatus, list[Operation[object]]] = {
        WorkerStatus.IDLE: [],
        WorkerStatus.STARTING: [ops.StartWorker(id=claimed.id)],
    }
    path[WorkerStatus.RUNNING] = [
        *path[WorkerStatus.STARTING],
        ops.Heartbeat(id=claimed.id, status="running"),
    ]
    path[WorkerStatus.WAITING_INPUT] = [
        *path[WorkerStatus.RUNNING],
        LEASE_VERBS[WorkerVerb.ASK](claimed.id),
    ]
    path[WorkerStatus.PAUSED] = [LEASE_VERBS[WorkerVerb.PAUSE](claimed.id)]
    path[WorkerStatus.COMPLETED] = [
        *path[WorkerStatus.STARTING],
        LEASE_VERBS[WorkerVerb.COMPLETE](claimed.id),
    ]
    path[WorkerStatus.ERROR] = [LEASE_VERBS[WorkerVerb.FAIL](claimed.id)]
    for step in path[status]:
        house.broker.execute(step, lease)
    assert house.worker(claimed).status is status
    return claimed, lease


@pytest.mark.parametrize("status", WorkerStatus)
@pytest.mark.parametrize("verb", [*LEASE_VERBS, *PERSONS_VERBS])
def test_each_verb_applies_exactly_where_the_table_says(
    house: House, status: WorkerStatus, verb: WorkerVerb
) -> None:
    claimed, lease = bring(house, status)
    operation = {**LEASE_VERBS, **PERSONS_VERBS}[verb](claimed.id)
    caller = lease if verb in LEASE_VERBS else ADMIN
    repeated = (status, verb) in {
        (WorkerStatus.COMPLETED, WorkerVerb.COMPLETE),
        (WorkerStatus.ERROR, WorkerVerb.FAIL),
    }
    try:
        house.broker.execute(operation, caller)
        happened: object = "yes"
    except (WrongState, LeaseLost) as error:
        happened = error.code
    after = house.worker(claimed).status
    if WORKER.allows(verb, status):
        assert (happened, after) == ("yes", WORKER.step(verb).target)
    else:
        ended = status in {WorkerStatus.PAUSED, WorkerStatus.COMPLETED, WorkerStatus.ERROR}
        refused = "lease_lost" if ended and verb in LEASE_VERBS else "wrong_state"
        assert (happened, after) == ("yes" if repeated else refused, status)


@pytest.mark.parametrize("status", ["idle", "completed", "banana"])
def test_a_heartbeat_takes_no_status_but_running(house: House, status: str) -> None:
    with pytest.raises(ValueError, match="running"):
        ops.Heartbeat(id="wkr_1", status=status)


def test_a_heartbeat_cannot_run_a_worker_that_was_not_started(house: House) -> None:
    claimed, lease = bring(house, WorkerStatus.IDLE)
    with pytest.raises(WrongState):
        house.broker.execute(ops.Heartbeat(id=claimed.id, status="running"), lease)


def test_another_attempts_worker_does_not_exist(house: House) -> None:
    house.task()
    house.task()
    laptop = house.account()
    mine, _ = house.running(laptop)
    _, other_lease = house.running(laptop)
    foreign: list[Operation[object]] = [
        *(make(mine.id) for make in LEASE_VERBS.values()),
        ops.Heartbeat(id=mine.id),
        ops.GetWorker(id=mine.id),
        ops.GetTask(id=mine.task_id),
        ops.ReleaseTask(id=mine.task_id),
        ops.CreateArtifact(worker_id=mine.id, type="diff"),
        ops.CreateMessage(worker_id=mine.id, content="x"),
        ops.CreateMessages(worker_id=mine.id, messages=[ops.BatchedMessage(content="x")]),
        ops.ListMessages(worker_id=mine.id),
    ]
    for operation in foreign:
        with pytest.raises(NotFound):
            house.broker.execute(operation, other_lease)


def test_a_failed_attempt_goes_back_after_a_while_and_then_fails_for_good(house: House) -> None:
    task, laptop = house.task(max_attempts=2), house.account()
    claimed, lease = house.running(laptop)
    house.broker.execute(ops.FailWorker(id=claimed.id, error="flaky"), lease)
    back = house.see(task)
    assert (back.status, back.attempt, back.error) == (TaskStatus.PENDING, 1, "flaky")
    assert back.not_before is not None
    house.clock.advance(10)
    claimed, lease = house.running(laptop)
    house.broker.execute(ops.FailWorker(id=claimed.id, error="again"), lease)
    over = house.see(task)
    assert over.status is TaskStatus.FAILED
    assert over.error == "no attempt left of 2: again"
    fresh = house.admin(ops.RetryTask(id=task.id))
    assert (fresh.status, fresh.attempt, fresh.error) == (TaskStatus.PENDING, 0, None)


def test_a_failure_for_good_is_not_retried(house: House) -> None:
    task = house.task()
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.FailWorker(id=claimed.id, error="no", retryable=False), lease)
    assert house.see(task).status is TaskStatus.FAILED


def test_cancel_is_immediate_and_the_agent_is_told(house: House) -> None:
    task, laptop = house.task(max_cost=Decimal(5)), house.account()
    claimed, lease = house.running(laptop)
    assert house.admin(ops.CancelTask(id=task.id)).status is TaskStatus.CANCELLED
    books = house.books(laptop)
    assert (books.live_workers, books.reserved_today) == (0, 0)
    beat = house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(1)), lease)
    assert beat.orders == [Order.CANCEL]
    assert house.books(laptop).spent_today == 1
    with pytest.raises(LeaseLost) as lost:
        house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    assert lost.value.details["reason"] == "cancelled"
    house.clock.advance(61)
    with pytest.raises(LeaseLost):
        house.broker.execute(ops.Heartbeat(id=claimed.id), lease)


def test_release_hands_back_at_once_and_only_a_drain_refunds(house: House) -> None:
    task, laptop, other = house.task(max_attempts=1), house.account(), house.account()
    _, lease = house.running(laptop)
    released = house.broker.execute(ops.ReleaseTask(id=task.id, reason="drain"), lease)
    assert (released.status, released.attempt) == (TaskStatus.PENDING, 0)
    house.running(laptop)
    with pytest.raises(Forbidden):
        house.broker.execute(ops.ReleaseTask(id=task.id), other)
    released = house.broker.execute(ops.ReleaseTask(id=task.id), laptop)
    assert (released.status, released.attempt) == (TaskStatus.PENDING, 1)
    assert house.claim(other).workers


def test_an_idle_worker_is_paused_at_once_others_are_asked(house: House) -> None:
    claimed, _ = bring(house, WorkerStatus.IDLE)
    assert house.admin(ops.PauseWorker(id=claimed.id)).status is WorkerStatus.PAUSED
    claimed, lease = bring(house, WorkerStatus.RUNNING)
    assert house.admin(ops.PauseWorker(id=claimed.id)).status is WorkerStatus.RUNNING
    assert house.broker.execute(ops.Heartbeat(id=claimed.id), lease).orders == [Order.PAUSE]


def test_costs_are_totals_that_may_repeat_or_come_late(house: House) -> None:
    task, laptop = house.task(max_cost=Decimal(3)), house.account()
    claimed, lease = house.running(laptop)
    for total in ("1", "0.5", "1", "2.000001", "2"):
        house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(total)), lease)
    books = house.books(laptop)
    assert (books.spent_today, books.reserved_today) == (Decimal("2.000001"), Decimal("0.999999"))
    beat = house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(4)), lease)
    assert beat.orders == [Order.BUDGET_EXHAUSTED]
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    books = house.books(laptop)
    assert (books.spent_today, books.reserved_today) == (4, 0)
    assert house.see(task).status is TaskStatus.COMPLETED


def test_a_child_waits_for_all_its_parents(house: House) -> None:
    first, second = house.task(), house.task()
    child = house.task(depends_on=[first.id, second.id])
    laptop = house.account()
    for _ in range(2):
        claimed, lease = house.running(laptop)
        assert claimed.task_id != child.id
        assert house.claim(laptop, task_id=child.id).workers == []
        house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    assert house.running(laptop)[0].task_id == child.id


def test_a_failed_parent_fails_those_who_wait_for_it(house: House) -> None:
    parent = house.task()
    child = house.task(depends_on=[parent.id])
    grandchild = house.task(depends_on=[child.id])
    house.admin(ops.CancelTask(id=parent.id))
    assert house.see(child).status is house.see(grandchild).status is TaskStatus.FAILED
    assert parent.id in (house.see(child).error or "")
    with pytest.raises(Invalid, match="dependsOn"):
        house.task(depends_on=[parent.id])
    with pytest.raises(WrongState, match=f"{parent.id}, which is cancelled: retry that first"):
        house.admin(ops.RetryTask(id=child.id))
    house.admin(ops.RetryTask(id=parent.id))
    house.admin(ops.RetryTask(id=child.id))
    laptop = house.account()
    claimed, lease = house.running(laptop)
    assert claimed.task_id == parent.id
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    assert house.running(laptop)[0].task_id == child.id


def test_a_chain_may_be_longer_than_the_stack_is_deep(house: House) -> None:
    first = last = house.task()
    for _ in range(sys.getrecursionlimit()):
        last = house.task(depends_on=[last.id])
    house.admin(ops.CancelTask(id=first.id))
    assert house.see(last).status is TaskStatus.FAILED


def test_what_a_person_says_is_heard_although_another_servers_clock_was_ahead(
    house: House,
) -> None:
    house.task()
    claimed, lease = house.running(house.account())
    said = house.admin(ops.CreateMessage(worker_id=claimed.id, content="first"))
    ahead = said.id.replace("msg_0", "msg_1")
    rename = Statement(sa.update(tables.message).values(id=ahead))
    house.broker._store.write(lambda tx: tx.run(rename)).result()
    house.admin(ops.CreateMessage(worker_id=claimed.id, content="second"))
    beat = ops.Heartbeat(id=claimed.id, messages_after=ahead)
    heard = house.broker.execute(beat, lease).messages
    assert [message.content for message in heard] == ["second"]


def test_the_last_of_very_many_attempts_can_fail(house: House) -> None:
    task = house.task(max_attempts=5000)
    laptop = house.account()
    house.broker._store.write(
        lambda tx: tx.run(Statement(sa.update(tables.task).values(attempt=2000)))
    ).result()
    claimed, lease = house.running(laptop)
    house.broker.execute(ops.FailWorker(id=claimed.id, error="no"), lease)
    assert house.see(task).status is TaskStatus.PENDING


def test_a_held_task_cannot_be_edited_or_deleted(house: House) -> None:
    task = house.task()
    house.running(house.account())
    refused: list[Operation[object]] = [
        ops.UpdateTask(id=task.id, title="x"),
        ops.DeleteTask(id=task.id),
        ops.RetryTask(id=task.id),
        ops.DeleteWorkspace(id=house.workspace.id),
    ]
    for operation in refused:
        with pytest.raises(WrongState):
            house.admin(operation)


def test_nobody_else_sees_anything(house: House) -> None:
    task = house.task()
    claimed, _ = house.running(house.account())
    stranger = house.account()
    house.admin(
        ops.RevokeGrant(account_id=str(stranger.account_id), workspace_id=house.workspace.id)
    )
    hidden: list[Operation[object]] = [
        ops.GetTask(id=task.id),
        ops.CancelTask(id=task.id),
        ops.GetWorker(id=claimed.id),
        ops.GetWorkspace(id=house.workspace.id),
        ops.CreateTask(workspace_id=house.workspace.id, title="x"),
        ops.ListMessages(worker_id=claimed.id),
        ops.PauseWorker(id=claimed.id),
    ]
    for operation in hidden:
        with pytest.raises(NotFound):
            house.broker.execute(operation, stranger)
    assert house.broker.execute(ops.ListTasks(), stranger) == []
    assert house.broker.execute(ops.ListWorkers(), stranger) == []


def test_a_stale_lease_is_told_by_class_not_by_accident(house: House) -> None:
    claimed, lease = bring(house, WorkerStatus.COMPLETED)
    calls: list[Operation[object]] = [
        ops.CreateArtifact(worker_id=claimed.id, type="diff"),
        ops.CreateMessage(worker_id=claimed.id, content="x"),
        ops.CreateMessages(worker_id=claimed.id, messages=[ops.BatchedMessage(content="x")]),
        ops.Heartbeat(id=claimed.id),
        ops.PauseWorker(id=claimed.id),
        ops.GetWorker(id=claimed.id),
        ops.GetTask(id=claimed.task_id),
        ops.GetWorkspace(id=house.workspace.id),
        ops.ListMessages(worker_id=claimed.id),
    ]
    for operation in calls:
        with pytest.raises(BuilddError) as refused:
            house.broker.execute(operation, lease)
        assert refused.value.code == "lease_lost"
