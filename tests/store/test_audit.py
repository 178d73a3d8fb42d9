"""The auditor: silent over a sound database, and loud about each counter that was tampered with."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa

from buildd import operations as ops
from buildd.broker import ADMIN, Broker
from buildd.store import audit, database_of


@pytest.fixture
def worked(database_url: str) -> str:
    """A database with a task at work, one that waits for it, and money in both."""
    broker = Broker.open(database_url)
    workspace = broker.execute(ops.CreateWorkspace(name="w"), ADMIN)
    made = broker.execute(ops.CreateAccount(type="user", name="a"), ADMIN)
    broker.execute(ops.GrantWorkspace(account_id=made.id, workspace_id=workspace.id), ADMIN)
    task = ops.CreateTask(workspace_id=workspace.id, title="t", max_cost=Decimal(3))
    parent = broker.execute(task, ADMIN)
    broker.execute(task.model_copy(update={"depends_on": [parent.id]}), ADMIN)
    account = broker.authenticate(made.api_key).result()
    [claimed] = broker.execute(ops.ClaimTasks(), account).workers
    lease = broker.authenticate(claimed.lease.token).result()
    broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(1)), lease)
    broker.close()
    return database_url


def test_a_sound_database_has_no_differences(worked: str) -> None:
    assert audit(worked) == []


@pytest.mark.parametrize(
    ("tamper", "checks"),
    [
        ("UPDATE account SET live_workers = 2", {"an account's live workers"}),
        ("UPDATE workspace SET live_workers = 0", {"a workspace's live workers"}),
        (
            "UPDATE task SET open_dependencies = 2 WHERE open_dependencies = 1",
            {"a task's open dependencies"},
        ),
        ("UPDATE budget_day SET spent = spent + 1", {"a day's spending"}),
        (
            "UPDATE budget_day SET reserved = 0",
            {"a day's reservations", "a day's reservations held by workers"},
        ),
        ("UPDATE account SET total_cost = 0", {"an account's total cost"}),
        ("UPDATE task SET cost_usd = 7 WHERE cost_usd > 0", {"a task's cost"}),
        ("UPDATE worker SET cost_usd = 7", {"a worker's cost"}),
        ("UPDATE worker SET epoch = 99", {"an epoch above its task's"}),
        ("DELETE FROM event WHERE seq = 2", {"a gap in the events"}),
        ("UPDATE counter SET value = 1 WHERE name = 'event_seq'", {"the event counter"}),
        (
            "UPDATE task SET worker_id = 'wkr_nobody' WHERE worker_id IS NOT NULL",
            {"a held task's worker", "a worker's task"},
        ),
        (
            "UPDATE task SET status = 'completed', worker_id = NULL WHERE worker_id IS NOT NULL",
            {"a worker's task", "a task that waits for what is completed"},
        ),
    ],
)
def test_each_tampered_counter_is_found(worked: str, tamper: str, checks: set[str]) -> None:
    engine = sa.create_engine(database_of(worked).url)
    with engine.begin() as connection:
        connection.execute(sa.text(tamper))
    engine.dispose()
    assert {difference.check for difference in audit(worked)} == checks
