"""Every verb of the façade, four ways: embedded and over HTTP, on SQLite and on Postgres."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

import pytest

import buildd
from buildd import (
    AccountType,
    ArtifactType,
    Claimed,
    Client,
    EventType,
    NewAccount,
    QuestionType,
    Role,
    RunnerPreference,
    Selection,
    TaskStatus,
    WorkerStatus,
    Workspace,
)
from buildd.models import Order

Crew = tuple[Workspace, NewAccount]


@pytest.fixture
def crew(bd: Client) -> Crew:
    """A workspace, and an account that may claim there."""
    workspace = bd.workspaces.create(name="shop")
    account = bd.accounts.create(type=AccountType.USER, name="Max")
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    return workspace, account


def claim(bd: Client, crew: Crew) -> tuple[Claimed, Client]:
    """An attempt at a fresh task, begun, and the client that holds its lease."""
    workspace, account = crew
    task = bd.tasks.create(workspace_id=workspace.id, title="Fix the flaky login test")
    [claimed] = bd.with_key(account.api_key).workers.claim(task_id=task.id).workers
    lease = bd.with_key(claimed.lease.token)
    lease.workers.start(id=claimed.id)
    lease.workers.heartbeat(id=claimed.id, status="running")
    return claimed, lease


def test_accounts(bd: Client) -> None:
    max_ = bd.accounts.create(type=AccountType.USER, name="Max", max_cost_per_day=Decimal("12.5"))
    assert bd.accounts.get(id=max_.id).max_cost_per_day == Decimal("12.5")
    assert bd.accounts.update(id=max_.id, name="Maxine").name == "Maxine"
    assert [account.name for account in bd.accounts.list()] == ["Maxine"]
    assert bd.with_key(max_.api_key).accounts.me().id == max_.id
    assert bd.accounts.delete(id=max_.id).deleted
    with pytest.raises(buildd.NotFound):
        bd.accounts.get(id=max_.id)


def test_keys(bd: Client) -> None:
    account = bd.accounts.create(type=AccountType.SERVICE, name="prod")
    second = bd.accounts.create_key(account_id=account.id)
    revoked = bd.accounts.revoke_key(account_id=account.id, id=account.key_id)
    assert revoked.revoked_at is not None
    assert bd.with_key(second.api_key).accounts.me().id == account.id
    with pytest.raises(buildd.NotAuthenticated):
        bd.with_key(account.api_key).accounts.me()
    admin = bd.with_key(bd.accounts.create_admin_key().api_key)
    assert [each.id for each in admin.accounts.list()] == [account.id]


def test_workspaces_and_grants(bd: Client, crew: Crew) -> None:
    workspace, account = crew
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id, can_create=True)
    [grant] = bd.accounts.grants(account_id=account.id)
    assert (grant.can_claim, grant.can_create) == (True, True)
    bd.workspaces.update(id=workspace.id, memory={"style": "tabs"})
    assert bd.workspaces.get(id=workspace.id).memory == {"style": "tabs"}
    assert len(bd.with_key(account.api_key).workspaces.list()) == 1
    bd.accounts.revoke_grant(account_id=account.id, workspace_id=workspace.id)
    assert bd.with_key(account.api_key).workspaces.list() == []
    assert bd.workspaces.delete(id=workspace.id).id == workspace.id


def test_agents(bd: Client, crew: Crew) -> None:
    workspace, account = crew
    bd.with_key(account.api_key).workers.claim(agent_id="laptop", workspace_id=workspace.id)
    [agent] = bd.agents.list(account_id=account.id)
    assert (agent.agent_id, agent.workspace_id) == ("laptop", workspace.id)


def test_tasks_are_found_and_counted(bd: Client, crew: Crew) -> None:
    made = [bd.tasks.create(workspace_id=crew[0].id, title=title) for title in ("One", "Two")]
    assert bd.tasks.list(ids=[each.id for each in made], text="tw") == made[1:]
    assert bd.tasks.count(text="TWO").pending == 1


def test_spending(bd: Client, crew: Crew) -> None:
    task = bd.tasks.create(workspace_id=crew[0].id, title="Costs something")
    [claimed] = bd.with_key(crew[1].api_key).workers.claim(task_id=task.id).workers
    lease = bd.with_key(claimed.lease.token)
    lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal("0.25"))
    [spent] = bd.spend.list(by=["task", "account"], task_id=task.id)
    assert (spent.task_id, spent.account_id, spent.cost_usd) == (task.id, crew[1].id, 0.25)


def test_sources(bd: Client, crew: Crew) -> None:
    workspace, _ = crew
    config = {"repository": "acme/shop"}
    source = bd.sources.create(
        workspace_id=workspace.id, type="github", name="issues", config=config
    )
    changed = bd.sources.update(id=source.id, config={**config, "label": "agents"})
    assert bd.sources.list(workspace_id=workspace.id) == [changed]
    assert bd.sources.get(id=source.id) == changed
    bd.tasks.create(workspace_id=workspace.id, title="by hand")
    came = bd.tasks.create(workspace_id=workspace.id, title="an issue", source_id=source.id)
    assert bd.tasks.list(source_id=source.id) == [came]
    assert bd.sources.delete(id=source.id).deleted
    assert bd.sources.list(workspace_id=workspace.id) == []


def test_tasks(bd: Client, crew: Crew) -> None:
    workspace, _ = crew
    task = bd.tasks.create(
        workspace_id=workspace.id,
        title="Fix it",
        context={"branch": "main"},
        runner_preference=RunnerPreference.ACTION,
        max_cost=Decimal("1.25"),
    )
    assert bd.tasks.get(id=task.id) == task
    assert bd.tasks.update(id=task.id, priority=7).priority == 7
    assert bd.tasks.cancel(id=task.id).status is TaskStatus.CANCELLED
    assert bd.tasks.retry(id=task.id).status is TaskStatus.PENDING
    assert [each.id for each in bd.tasks.list(status=TaskStatus.PENDING)] == [task.id]
    assert bd.tasks.delete(id=task.id).deleted


def test_an_attempt_from_claim_to_result(bd: Client, crew: Crew) -> None:
    claimed, lease = claim(bd, crew)
    asked = lease.workers.ask(
        id=claimed.id, type=QuestionType.QUESTION, prompt="Which?", options=["this", "that"]
    )
    assert asked.status is WorkerStatus.WAITING_INPUT
    assert bd.workers.answer(id=claimed.id, content="that").status is WorkerStatus.RUNNING
    beat = lease.workers.heartbeat(id=claimed.id, progress=50, cost_usd=Decimal("0.125"), turns=3)
    assert [message.content for message in beat.messages] == ["that"]
    done = lease.workers.complete(id=claimed.id, result={"branch": claimed.branch})
    assert (done.status, done.cost_usd) == (WorkerStatus.COMPLETED, Decimal("0.125"))
    task = bd.tasks.get(id=claimed.task_id)
    assert (task.status, task.result) == (TaskStatus.COMPLETED, {"branch": claimed.branch})
    with pytest.raises(buildd.LeaseLost):
        lease.workers.heartbeat(id=claimed.id)


def test_records_of_an_attempt(bd: Client, crew: Crew) -> None:
    claimed, lease = claim(bd, crew)
    artifact = lease.artifacts.create(
        worker_id=claimed.id, type=ArtifactType.SUMMARY, title="Done", content="It was the clock."
    )
    assert bd.artifacts.get(id=artifact.id) == artifact
    assert [each.id for each in bd.artifacts.list(worker_id=claimed.id)] == [artifact.id]
    comment = bd.comments.create(
        artifact_id=artifact.id, content="Which clock?", selection=Selection(start=11, end=16)
    )
    resolved = bd.comments.update(id=comment.id, resolved=True)
    assert bd.comments.list(artifact_id=artifact.id) == [resolved]
    said = lease.messages.create(
        worker_id=claimed.id, content="ran it", role=Role.TOOL, tool_output={"exit": 0}
    )
    assert said in bd.messages.list(worker_id=claimed.id)


def test_an_attempt_that_a_person_pauses_and_stops(bd: Client, crew: Crew) -> None:
    claimed, lease = claim(bd, crew)
    bd.workers.pause(id=claimed.id)
    assert lease.workers.heartbeat(id=claimed.id).orders == [Order.PAUSE]
    assert lease.workers.pause(id=claimed.id).status is WorkerStatus.PAUSED
    assert bd.workers.start(id=claimed.id).status is WorkerStatus.STARTING
    assert bd.workers.cancel(id=claimed.id).status is WorkerStatus.ERROR
    [listed] = bd.workers.list(task_id=claimed.task_id)
    assert listed == bd.workers.get(id=claimed.id)
    assert listed.error_code == "cancelled"


def test_an_attempt_that_fails_and_one_that_is_handed_back(bd: Client, crew: Crew) -> None:
    workspace, account = crew
    first, lease = claim(bd, crew)
    lease.workers.fail(id=first.id, error="no network", retryable=False)
    assert bd.tasks.get(id=first.task_id).status is TaskStatus.FAILED
    bd.tasks.retry(id=first.task_id)
    second = bd.with_key(account.api_key).workers.create(
        workspace_id=workspace.id, task_id=first.task_id
    )
    assert second.worker.epoch > first.worker.epoch
    assert bd.tasks.release(id=first.task_id).status is TaskStatus.PENDING


def test_events_tell_it_all_in_order(bd: Client, crew: Crew) -> None:
    claimed, lease = claim(bd, crew)
    lease.workers.complete(id=claimed.id)
    told = bd.events(0, task_id=claimed.task_id, types=[EventType.TASK_UPDATED])
    statuses = [event.data["status"] for event in islice(told, 3)]
    assert statuses == ["assigned", "running", "completed"]
    seqs = [event.seq for event in islice(bd.events(0), 8)]
    assert seqs == sorted(set(seqs))
