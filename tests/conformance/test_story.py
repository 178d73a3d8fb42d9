"""One story, told in four ways: embedded and over HTTP, each on SQLite and on Postgres."""

from __future__ import annotations

from itertools import takewhile
from threading import Thread

import pytest

from buildd import Client, EventType, LeaseLost, TaskStatus, WorkerStatus
from buildd.models import Order
from buildd.operations import BatchedStart, BatchedSuccess, BatchedTask


def test_the_story_of_a_task(bd: Client) -> None:
    workspace = bd.workspaces.create(name="shop", repo="https://example.com/shop.git")
    account = bd.accounts.create(type="user", name="Max Local Agent", max_cost_per_day=50)
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id, can_claim=True)
    task = bd.tasks.create(
        workspace_id=workspace.id, title="Fix the flaky login test", max_cost=2, priority=5
    )
    assert (task.status, task.attempt, task.priority) == (TaskStatus.PENDING, 0, 5)

    agent = bd.with_key(account.api_key)
    [claimed] = agent.workers.claim(max_tasks=3, capabilities=["git"], agent_id="laptop").workers
    assert claimed.task_id == task.id
    assert claimed.branch.startswith(f"buildd/{task.id}-fix-the-flaky-login-test")
    assert claimed.worker.status is WorkerStatus.IDLE
    assert bd.accounts.get(id=account.id).reserved_today == 2

    lease = agent.with_key(claimed.lease.token)
    lease.workers.start(id=claimed.id)
    beat = lease.workers.heartbeat(id=claimed.id, status="running", progress=10, cost_usd=0.5)
    assert beat.orders == []
    assert bd.tasks.get(id=task.id).status is TaskStatus.RUNNING

    lease.workers.ask(id=claimed.id, type="question", prompt="Which one?", options=["a", "b"])
    waiting = bd.workers.get(id=claimed.id)
    assert waiting.status is WorkerStatus.WAITING_INPUT
    assert waiting.waiting_for is not None
    assert waiting.waiting_for.options == ["a", "b"]
    bd.workers.answer(id=claimed.id, content="b")
    [answer] = lease.workers.heartbeat(id=claimed.id).messages
    assert (answer.role, answer.content, answer.answers) == ("user", "b", "Which one?")
    assert lease.workers.heartbeat(id=claimed.id, messages_after=answer.id).messages == []

    artifact = lease.artifacts.create(worker_id=claimed.id, type="diff", content="- a\n+ b")
    comment = bd.comments.create(
        artifact_id=artifact.id, content="Better so", selection={"start": 0, "end": 3}
    )
    [heard] = lease.workers.heartbeat(id=claimed.id, messages_after=answer.id).messages
    assert "Better so" in (heard.content or "")
    assert heard.answers is None
    assert bd.comments.update(id=comment.id, resolved=True).resolved
    lease.messages.create(worker_id=claimed.id, content="Done.")
    assert bd.messages.list(worker_id=claimed.id)[0].content == "Done."

    done = lease.workers.complete(id=claimed.id, result={"commits": 1})
    assert done.status is WorkerStatus.COMPLETED
    assert lease.workers.complete(id=claimed.id, result={"commits": 1}) == done
    with pytest.raises(LeaseLost):
        lease.workers.complete(id=claimed.id, result={"commits": 2})

    finished = bd.tasks.get(id=task.id)
    assert (finished.status, finished.result) == (TaskStatus.COMPLETED, {"commits": 1})
    after = bd.accounts.get(id=account.id)
    assert (after.live_workers, after.total_tasks) == (0, 1)
    assert (after.spent_today, after.reserved_today, after.total_cost) == (0.5, 0, 0.5)
    _the_feed_told_it(bd, task.id)


def _the_feed_told_it(bd: Client, task_id: str) -> None:
    told = []
    for event in bd.events(after=0, task_id=task_id):
        told.append(event)
        if event.type is EventType.WORKER_COMPLETED:
            break
    assert [event.seq for event in told] == sorted({event.seq for event in told})
    assert told[0].type is EventType.TASK_CREATED
    statuses = [e.data["status"] for e in told if e.type is EventType.WORKER_STATUS]
    assert statuses == [
        "idle",
        "starting",
        "running",
        "waiting_input",
        "running",
        "completed",
    ]
    middle = told[len(told) // 2].seq
    resumed = takewhile(
        lambda event: event.type is not EventType.WORKER_COMPLETED,
        bd.events(after=middle, task_id=task_id),
    )
    assert [event.seq for event in resumed] == [e.seq for e in told if e.seq > middle][:-1]


def test_pause_and_resume_keep_the_task(bd: Client) -> None:
    workspace = bd.workspaces.create(name="shop")
    account = bd.accounts.create(type="service", name="vm", max_concurrent_workers=1)
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    task = bd.tasks.create(workspace_id=workspace.id, title="Long work")
    agent = bd.with_key(account.api_key)
    [claimed] = agent.workers.claim().workers
    lease = agent.with_key(claimed.lease.token)
    lease.workers.start(id=claimed.id)
    lease.workers.heartbeat(id=claimed.id, status="running")

    bd.workers.pause(id=claimed.id)
    assert lease.workers.heartbeat(id=claimed.id).orders == [Order.PAUSE]
    assert lease.workers.pause(id=claimed.id).status is WorkerStatus.PAUSED
    assert bd.tasks.get(id=task.id).status is TaskStatus.ASSIGNED
    assert bd.accounts.get(id=account.id).live_workers == 0
    with pytest.raises(LeaseLost) as lost:
        lease.workers.heartbeat(id=claimed.id)
    assert lost.value.details["reason"] == "paused"
    assert agent.workers.claim().workers == []

    assert bd.workers.start(id=claimed.id).status is WorkerStatus.STARTING
    [again] = agent.workers.claim(task_id=task.id).workers
    assert (again.id, again.branch) == (claimed.id, claimed.branch)
    assert again.lease.epoch > claimed.lease.epoch
    with pytest.raises(LeaseLost):
        lease.workers.heartbeat(id=claimed.id)
    resumed = agent.with_key(again.lease.token)
    resumed.workers.heartbeat(id=again.id, status="running")
    assert resumed.workers.complete(id=again.id).status is WorkerStatus.COMPLETED


def test_a_waiting_claim_is_woken_by_a_new_task(bd: Client) -> None:
    workspace = bd.workspaces.create(name="shop")
    account = bd.accounts.create(type="user", name="laptop")
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    agent = bd.with_key(account.api_key)
    woken: list[str] = []

    def claim() -> None:
        woken.extend(each.task_id for each in agent.workers.claim(wait_seconds=30).workers)

    waiting = Thread(target=claim)
    waiting.start()
    task = bd.tasks.create(workspace_id=workspace.id, title="Now")
    waiting.join()
    assert woken == [task.id]


def test_many_tasks_in_few_requests(bd: Client) -> None:
    workspace = bd.workspaces.create(name="shop")
    account = bd.accounts.create(type="service", name="vm", max_concurrent_workers=20)
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    new = [BatchedTask(workspace_id=workspace.id, title=f"task {n}") for n in range(10)]
    made = bd.tasks.create_many(tasks=new, idempotency_key=workspace.id)
    assert bd.tasks.create_many(tasks=new, idempotency_key=workspace.id) == made
    agent = bd.with_key(account.api_key)
    claimed = agent.workers.claim(max_tasks=20).workers
    assert {each.task_id for each in claimed} == {task.id for task in made}
    agent.workers.report(
        reports=[BatchedStart(verb="start", id=each.id, token=each.lease.token) for each in claimed]
    )
    done = agent.workers.report(
        reports=[
            BatchedSuccess(verb="complete", id=each.id, token=each.lease.token) for each in claimed
        ]
    )
    assert [each.worker.status for each in done if each.worker] == ["completed"] * 10
    assert bd.accounts.get(id=account.id).total_tasks == 10
