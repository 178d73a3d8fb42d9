"""Workers: read, moved, renewed, counted and expired."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.states import ENDED, HOLDING, LIVE, WORKER, WorkerStatus, WorkerVerb
from buildd.store.columns import JSON, Moment, among
from buildd.store.sql._parts import NOW, locked, matches, optional, page, seen
from buildd.store.statement import Statement
from buildd.store.tables import account, lease, message, task, worker, workspace

_UNTIL = bindparam("until", type_=Moment())
AT_ONCE = 100
"""How much the reaper looks for at a time."""

WORKER_COLUMNS = tuple(column.name for column in worker.columns)
INSERT_WORKER = Statement(sa.insert(worker))
WORKER_SEEN = Statement(
    sa.select(worker).where(worker.c.id == bindparam("id"), seen(worker.c.workspace_id))
)
LOCK_WORKER = locked(
    sa.select(worker).where(worker.c.id == bindparam("id"), seen(worker.c.workspace_id)), worker
)
_ADDRESSED = sa.exists().where(
    message.c.worker_id == worker.c.id,
    message.c.to_agent,
    sa.or_(optional("after").is_(None), message.c.id > optional("after")),
)
# What a heartbeat has to know, in one go: most of what agents ever send are heartbeats.
LOCK_BEATING = locked(
    sa.select(
        worker,
        task.c.max_cost.label("task_limit"),
        task.c.cost_usd.label("task_cost"),
        account.c.draining.label("drained"),
        account.c.max_cost_per_run.label("run_limit"),
        _ADDRESSED.label("addressed"),
    )
    .join(task, task.c.id == worker.c.task_id)
    .outerjoin(
        account, sa.and_(account.c.id == worker.c.account_id, account.c.deleted_at.is_(None))
    )
    .where(worker.c.id == bindparam("id")),
    worker,
)


def _workers(*which: sa.ColumnElement[bool], few: bool = False) -> Statement:
    return page(
        sa.select(worker).where(
            seen(worker.c.workspace_id),
            matches(worker.c.workspace_id, "workspace"),
            matches(worker.c.task_id, "task"),
            matches(worker.c.account_id, "account"),
            matches(worker.c.status, "status"),
            *which,
        ),
        worker.c.id,
        few=few,
    )


WORKERS: dict[bool | None, Statement] = {
    None: _workers(),
    True: _workers(among(worker.c.status, HOLDING), few=True),
    False: _workers(among(worker.c.status, ENDED)),
}
"""By whether they are to be open; those that are have an index of their own, and are few."""


def _move(verb: WorkerVerb, **values: Any) -> Statement:
    step = WORKER.step(verb)
    return Statement(
        sa.update(worker)
        .where(worker.c.id == bindparam("of"), among(worker.c.status, step.sources))
        .values(status=sa.literal_column(f"'{step.target.value}'"), updated_at=NOW, **values)
        .returning(*worker.c)
    )


_QUIET = {"waiting_for": sa.null(), "pause_requested_at": sa.null()}
_OVER = {
    "completed_at": NOW,
    "reserved": sa.literal_column("0"),
    "held": sa.false(),
    "error": optional("reason"),
    "error_code": optional("reason_code"),
    "ended_as": optional("report"),
    **_QUIET,
}
_BEGUN = {"started_at": sa.func.coalesce(worker.c.started_at, NOW, type_=Moment())}

MOVE_WORKER: dict[WorkerVerb, Statement] = {
    WorkerVerb.START: _move(WorkerVerb.START, **_BEGUN),
    WorkerVerb.RUN: _move(WorkerVerb.RUN, **_BEGUN),
    WorkerVerb.ASK: _move(WorkerVerb.ASK, waiting_for=bindparam("question", type_=JSON)),
    WorkerVerb.ANSWER: _move(
        WorkerVerb.ANSWER, waiting_for=sa.null(), deadline=bindparam("limit", type_=Moment())
    ),
    WorkerVerb.PAUSE: _move(
        WorkerVerb.PAUSE,
        held=sa.false(),
        reserved=sa.literal_column("0"),
        reserved_day=sa.null(),
        deadline=sa.null(),
        pause_requested_at=sa.null(),
    ),
    WorkerVerb.RESUME: _move(
        WorkerVerb.RESUME,
        epoch=bindparam("raised", type_=sa.Integer()),
        lease_expires_at=_UNTIL,
        waiting_for=sa.null(),
    ),
    WorkerVerb.COMPLETE: _move(WorkerVerb.COMPLETE, progress=100, **_OVER),
    WorkerVerb.FAIL: _move(WorkerVerb.FAIL, **_OVER),
    WorkerVerb.LOSE: _move(WorkerVerb.LOSE, **_OVER),
    WorkerVerb.RELEASE: _move(WorkerVerb.RELEASE, **_OVER),
    WorkerVerb.CANCEL: _move(WorkerVerb.CANCEL, **_OVER),
}
"""Each step of the worker's machine as the guarded UPDATE that takes it; no row means: wrong state."""

RENEW = Statement(
    sa.update(worker)
    .where(worker.c.id == bindparam("of"))
    .values(lease_expires_at=_UNTIL, heartbeat_at=NOW, updated_at=NOW),
    ("progress", "turns", "session_id"),
)
REQUEST_PAUSE = Statement(
    sa.update(worker)
    .where(worker.c.id == bindparam("of"), among(worker.c.status, LIVE))
    .values(pause_requested_at=sa.func.coalesce(worker.c.pause_requested_at, NOW, type_=Moment()))
    .returning(*worker.c)
)
# The server's own question: whether a run may go on although the day's budget is used up.
ASK_ABOUT_BUDGET = Statement(
    sa.update(worker)
    .where(
        worker.c.id == bindparam("of"),
        sa.not_(worker.c.may_overspend),
        worker.c.pause_requested_at.is_(None),
    )
    .values(waiting_for=bindparam("question", type_=JSON), pause_requested_at=NOW)
)
ALLOW_OVERSPENDING = Statement(
    sa.update(worker)
    .where(worker.c.id == bindparam("of"))
    .values(may_overspend=True, waiting_for=sa.null(), pause_requested_at=sa.null())
    .returning(*worker.c)
)

BOOK_COST = Statement(
    sa.update(worker).where(worker.c.id == bindparam("of")), ("cost_usd", "reserved")
)
RESERVE = Statement(
    sa.update(worker).where(worker.c.id == bindparam("of")).returning(*worker.c),
    ("reserved", "reserved_day"),
)

INSERT_LEASE = Statement(sa.insert(lease))
HOLD = Statement(
    sa.update(worker)
    .where(worker.c.id == bindparam("of"))
    .values(lease_expires_at=_UNTIL, heartbeat_at=NOW, updated_at=NOW)
    .returning(*worker.c),
    ("held", "epoch", "agent_id", "runner", "deadline"),
)
# Started or resumed by a person, and waiting for an agent of its own account to take it up.
UNHELD = locked(
    sa.select(worker)
    .where(
        worker.c.account_id == bindparam("account"),
        among(worker.c.status, [WORKER.step(WorkerVerb.RESUME).target]),
        sa.not_(worker.c.held),
        matches(worker.c.workspace_id, "workspace"),
        matches(worker.c.task_id, "task"),
    )
    .order_by(worker.c.id)
    .limit(1)
    # Not by the index of all that the account has ever done.
    .with_hint(worker, "INDEXED BY worker_to_take_up", "sqlite"),
    worker,
    skip=True,
)

# The limit is in the UPDATE: a count before it lets racing claims past the limit.
_SLOTS = bindparam("slots", type_=sa.Integer())
TAKE_ACCOUNT_SLOTS = Statement(
    sa.update(account)
    .where(
        account.c.id == bindparam("of"),
        account.c.live_workers + _SLOTS <= account.c.max_concurrent_workers,
    )
    .values(live_workers=account.c.live_workers + _SLOTS)
    .returning(account.c.id)
)
TAKE_WORKSPACE_SLOTS = Statement(
    sa.update(workspace)
    .where(
        workspace.c.id == bindparam("of"),
        sa.or_(
            workspace.c.max_concurrent_workers.is_(None),
            workspace.c.live_workers + _SLOTS <= workspace.c.max_concurrent_workers,
        ),
    )
    .values(live_workers=workspace.c.live_workers + _SLOTS)
    .returning(workspace.c.id)
)
FREE_ACCOUNT_SLOT = Statement(
    sa.update(account)
    .where(account.c.id == bindparam("of"))
    .values(
        live_workers=account.c.live_workers - 1,
        total_tasks=account.c.total_tasks + bindparam("done", type_=sa.Integer()),
    )
)
# Coalesced, because older SQLites answer IS NOT NULL in a RETURNING with "yes", whatever it holds.
_WAS_FULL = workspace.c.live_workers + 1 >= sa.func.coalesce(
    workspace.c.max_concurrent_workers, workspace.c.live_workers + 2
)
FREE_WORKSPACE_SLOT = Statement(
    sa.update(workspace)
    .where(workspace.c.id == bindparam("of"))
    .values(live_workers=workspace.c.live_workers - 1)
    .returning(_WAS_FULL.label("was_full"))
)

EXPIRED = Statement(
    sa.select(worker.c.id)
    .where(among(worker.c.status, LIVE), worker.c.lease_expires_at < NOW)
    .order_by(worker.c.lease_expires_at)
    .limit(AT_ONCE)
)
# A worker that waits for a person does not use up its time.
OVERDUE = Statement(
    sa.select(worker.c.id)
    .where(
        among(worker.c.status, LIVE),  # as the index has it
        worker.c.status != sa.literal_column(f"'{WorkerStatus.WAITING_INPUT.value}'"),
        worker.c.deadline < NOW,
    )
    .order_by(worker.c.deadline)
    .limit(AT_ONCE)
)
UNCONFIRMED_PAUSES = Statement(
    sa.select(worker.c.id)
    .where(
        among(worker.c.status, LIVE),
        worker.c.pause_requested_at < bindparam("before", type_=Moment()),
    )
    .limit(AT_ONCE)
)
EXTEND_ALL = Statement(
    sa.update(worker)
    .where(among(worker.c.status, LIVE), worker.c.lease_expires_at < _UNTIL)
    .values(lease_expires_at=_UNTIL)
)
