"""The auditor: silent over a sound database, and loud about each counter that was tampered with."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest
import sqlalchemy as sa

from buildd import operations as ops
from buildd.broker import ADMIN, Broker
from buildd.broker.launches import request_launch
from buildd.broker.pools import pool_of
from buildd.broker.tokens import mint_for_launch
from buildd.store import Transaction, audit, database_of


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
    pool = ops.CreatePool(name="p", account_id=made.id, runner="local")
    row = broker.execute(pool, ADMIN)
    launches = [broker._store.write(partial(_launch, broker, row.id)).result() for _ in range(2)]
    broker.execute(ops.Enrol(), broker.authenticate(launches[0]).result())
    broker.execute(ops.CreateAccount(type="user", name="b"), ADMIN)
    broker.close()
    return database_url


def _launch(broker: Broker, pool: str, tx: Transaction) -> str:
    context = broker._context(tx, ADMIN)
    return mint_for_launch(context, request_launch(context, pool_of(context, pool), None))


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
        (
            "UPDATE setting SET value = '1:' || value WHERE name = 'audit_head'",
            {"the head of the audit log"},
        ),
        ("UPDATE counter SET value = 1 WHERE name = 'event_seq'", {"the event counter"}),
        (
            "UPDATE task SET worker_id = 'wkr_nobody' WHERE worker_id IS NOT NULL",
            {"a held task's worker", "a worker's task"},
        ),
        (
            "UPDATE task SET status = 'completed', worker_id = NULL WHERE worker_id IS NOT NULL",
            {"a worker's task", "a task that waits for what is completed"},
        ),
        ("DELETE FROM pool", {"an open launch's pool"}),
        (
            """UPDATE launch SET worker_id = (SELECT id FROM worker),
               account_id = (SELECT id FROM account WHERE name = 'b') WHERE key_id IS NULL""",
            {"a launch's worker"},
        ),
        (
            "UPDATE launch SET worker_id = (SELECT id FROM worker)",
            {"a worker of two launches"},
        ),
        (
            "DROP INDEX launch_of_open_task; UPDATE launch SET task_id = 'task_x'",
            {"a task's open launches"},
        ),
        (
            "UPDATE launch SET status = 'ended', ended_at = created_at",
            {"the key of a launch that is over"},
        ),
    ],
)
def test_each_tampered_counter_is_found(worked: str, tamper: str, checks: set[str]) -> None:
    engine = sa.create_engine(database_of(worked).url)
    with engine.begin() as connection:
        for statement in tamper.split("; "):
            connection.execute(sa.text(statement))
    engine.dispose()
    assert {difference.check for difference in audit(worked)} == checks
