"""The auditor: every counter compared with the rows it counts. Any difference is a bug in buildd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from buildd.blobs import Blobs
from buildd.chain import GENESIS
from buildd.errors import ConfigError
from buildd.states import HELD, HOLDING, LIVE, OPEN_LAUNCH, TaskStatus
from buildd.store.columns import Money, among
from buildd.store.dialects import Sqlite, database_of
from buildd.store.files import blobs_of
from buildd.store.schema import check_schema
from buildd.store.sql import blobs as sql_blobs
from buildd.store.sql.audit_log import HEAD
from buildd.store.sql.events import EVENT_SEQ
from buildd.store.statement import Statement
from buildd.store.tables import (
    account,
    api_key,
    audit_entry,
    budget_day,
    counter,
    dependency,
    event,
    launch,
    ledger,
    pool,
    setting,
    task,
    worker,
    workspace,
)
from buildd.store.transaction import Transaction

LOST = "a file's bytes"
"""The check of which a difference is no fault of a counter."""
_AT_ONCE = 1000


class Difference(NamedTuple):
    """A counter that does not agree with its rows."""

    check: str
    id: str
    counter: str
    rows: str


def audit(url: str, blobs: str | Path | None = None) -> list[Difference]:
    """Audit the database at a URL; an empty list is good. Changes nothing, and may run beside a server.

    `blobs` is where the bytes of files are kept, if that is not beside the database. Raises
    `ConfigError` or `Unavailable` if something cannot be read.
    """
    database = database_of(url)
    if isinstance(database, Sqlite) and not database.path.exists():
        raise ConfigError(f"there is no SQLite database at {database.path}")
    with closing(database.connect(reading=True)) as connection:
        check_schema(connection, database)
        connection.cursor().execute(database.snapshot())
        tx = Transaction(connection, database)
        found = [*differences(tx)]
        lost = [*_lost(tx, blobs_of(database, blobs))]
        connection.cursor().execute("COMMIT")
        # What was removed since is no loss.
        return found + [each for each in lost if tx.first(sql_blobs.BLOB, digest=each.id)]


def differences(tx: Transaction) -> list[Difference]:
    """The same within a transaction, which should see one state of the database."""
    return [
        Difference(name, str(row.id), str(row.counter), str(row.found))
        for name, statement in CHECKS.items()
        for row in tx.all(statement)
    ]


def _lost(tx: Transaction, kept: Blobs | None) -> Iterator[Difference]:
    """Blobs whose bytes are not there, or not all of them."""
    after = ""
    while rows := tx.all(sql_blobs.BLOBS, after=after, limit=_AT_ONCE):
        if kept is None:
            raise ConfigError("set BUILDD_BLOBS: there are files to compare with their bytes")
        after = rows[-1].digest
        for row in rows:
            found = kept.size(row.place)
            if found != row.size:
                there = "no file" if found is None else str(found)
                yield Difference(LOST, row.digest, str(row.size), there)


def _compare(
    owner: sa.Table, counted: sa.ColumnElement[Any], found: sa.Select[Any], *where: Any
) -> Statement:
    rows = sa.func.coalesce(
        found.scalar_subquery(), sa.literal_column("0"), type_=_kind_of(counted)
    )
    return Statement(
        sa.select(_key(owner).label("id"), counted.label("counter"), rows.label("found")).where(
            counted != rows, *where
        )
    )


def _kind_of(column: sa.ColumnElement[Any]) -> Any:
    return Money() if isinstance(column.type, Money) else sa.BigInteger()


def _key(owner: sa.Table) -> sa.ColumnElement[Any]:
    return owner.c.id if "id" in owner.c else owner.c.owner_id


def _count(table: sa.Table, *where: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(table).where(*where)


def _sum(column: sa.ColumnElement[Any], *where: Any) -> sa.Select[Any]:
    return sa.select(sa.func.sum(column)).where(*where)


def _owns(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.or_(
        table.c.account_id == budget_day.c.owner_id, table.c.workspace_id == budget_day.c.owner_id
    )


_live = among(worker.c.status, LIVE)
_holder = worker.alias("holder")
_parent = task.alias("parent")
_open = among(launch.c.status, OPEN_LAUNCH)
_HEAD = (
    sa.select(sa.cast(audit_entry.c.seq, sa.String).concat(":").concat(audit_entry.c.hash))
    .order_by(audit_entry.c.seq.desc())
    .limit(1)
    .scalar_subquery()
)
_LAST = sa.select(sa.func.max(event.c.seq)).scalar_subquery()

CHECKS: dict[str, Statement] = {
    "an account's live workers": _compare(
        account, account.c.live_workers, _count(worker, worker.c.account_id == account.c.id, _live)
    ),
    "a workspace's live workers": _compare(
        workspace,
        workspace.c.live_workers,
        _count(worker, worker.c.workspace_id == workspace.c.id, _live),
    ),
    "a task's open dependencies": _compare(
        task,
        task.c.open_dependencies,
        _count(dependency, dependency.c.child_id == task.c.id, sa.not_(dependency.c.done)),
    ),
    "a task that waits for what is completed": Statement(
        sa.select(
            dependency.c.child_id.label("id"),
            sa.literal_column("'waits'").label("counter"),
            _parent.c.id.label("found"),
        )
        .join(_parent, _parent.c.id == dependency.c.parent_id)
        .where(sa.not_(dependency.c.done), among(_parent.c.status, [TaskStatus.COMPLETED]))
    ),
    "a held task's worker": Statement(
        sa.select(
            task.c.id.label("id"),
            task.c.worker_id.label("counter"),
            _holder.c.status.label("found"),
        )
        .outerjoin(_holder, _holder.c.id == task.c.worker_id)
        .where(
            among(task.c.status, HELD),
            sa.or_(_holder.c.id.is_(None), sa.not_(among(_holder.c.status, HOLDING))),
        )
    ),
    "a worker's task": Statement(
        sa.select(
            worker.c.id.label("id"),
            worker.c.task_id.label("counter"),
            task.c.worker_id.label("found"),
        )
        .join(task, task.c.id == worker.c.task_id)
        .where(
            among(worker.c.status, HOLDING),
            sa.or_(task.c.worker_id.is_(None), task.c.worker_id != worker.c.id),
        )
    ),
    "an epoch above its task's": Statement(
        sa.select(
            worker.c.id.label("id"), task.c.epoch.label("counter"), worker.c.epoch.label("found")
        )
        .join(task, task.c.id == worker.c.task_id)
        .where(worker.c.epoch > task.c.epoch)
    ),
    "a day's spending": _compare(
        budget_day,
        budget_day.c.spent,
        _sum(ledger.c.spent, ledger.c.day == budget_day.c.day, _owns(ledger)),
    ),
    "a day's reservations": _compare(
        budget_day,
        budget_day.c.reserved,
        _sum(ledger.c.reserved, ledger.c.day == budget_day.c.day, _owns(ledger)),
    ),
    "a day's reservations held by workers": _compare(
        budget_day,
        budget_day.c.reserved,
        _sum(worker.c.reserved, worker.c.reserved_day == budget_day.c.day, _live, _owns(worker)),
    ),
    "an account's total cost": _compare(
        account, account.c.total_cost, _sum(ledger.c.spent, ledger.c.account_id == account.c.id)
    ),
    "a task's cost": _compare(
        task, task.c.cost_usd, _sum(ledger.c.spent, ledger.c.task_id == task.c.id)
    ),
    "a worker's cost": _compare(
        worker, worker.c.cost_usd, _sum(ledger.c.spent, ledger.c.worker_id == worker.c.id)
    ),
    "an open launch's pool": Statement(
        sa.select(
            launch.c.id.label("id"), launch.c.pool_id.label("counter"), pool.c.id.label("found")
        )
        .outerjoin(pool, pool.c.id == launch.c.pool_id)
        .where(_open, pool.c.id.is_(None))
    ),
    "a launch's worker": Statement(
        sa.select(
            launch.c.id.label("id"),
            launch.c.account_id.label("counter"),
            worker.c.account_id.label("found"),
        )
        .join(worker, worker.c.id == launch.c.worker_id)
        .where(worker.c.account_id != launch.c.account_id)
    ),
    "a worker of two launches": Statement(
        sa.select(
            launch.c.worker_id.label("id"),
            sa.literal_column("1").label("counter"),
            sa.func.count().label("found"),
        )
        .where(launch.c.worker_id.is_not(None))
        .group_by(launch.c.worker_id)
        .having(sa.func.count() > sa.literal_column("1"))
    ),
    "a task's open launches": Statement(
        sa.select(
            launch.c.task_id.label("id"),
            sa.literal_column("1").label("counter"),
            sa.func.count().label("found"),
        )
        .where(_open, launch.c.task_id.is_not(None))
        .group_by(launch.c.task_id)
        .having(sa.func.count() > sa.literal_column("1"))
    ),
    "the key of a launch that is over": Statement(
        sa.select(
            launch.c.id.label("id"),
            launch.c.status.label("counter"),
            api_key.c.id.label("found"),
        )
        .join(api_key, api_key.c.id == launch.c.key_id)
        .where(sa.not_(_open), api_key.c.revoked_at.is_(None))
    ),
    "the event counter": Statement(
        sa.select(
            counter.c.name.label("id"), counter.c.value.label("counter"), _LAST.label("found")
        ).where(
            counter.c.name == sa.literal_column(f"'{EVENT_SEQ}'"),
            counter.c.value < sa.func.coalesce(_LAST, sa.literal_column("0")),
        )
    ),
    "the head of the audit log": Statement(
        sa.select(
            setting.c.name.label("id"), setting.c.value.label("counter"), _HEAD.label("found")
        ).where(
            setting.c.name == HEAD,
            setting.c.value != sa.func.coalesce(_HEAD, str(GENESIS)),
        )
    ),
    "a gap in the events": Statement(
        sa.select(
            sa.literal_column("'event'").label("id"),
            (sa.func.max(event.c.seq) - sa.func.min(event.c.seq) + 1).label("counter"),
            sa.func.count().label("found"),
        ).having(sa.func.count() != sa.func.max(event.c.seq) - sa.func.min(event.c.seq) + 1)
    ),
}
"""Each check as a statement that returns what is wrong: `id`, what the counter says, what the rows say."""
