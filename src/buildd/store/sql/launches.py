"""What the dispatcher asks and writes: which launches are wanted, whose turn it is, what is left over."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.models import ReasonCode
from buildd.states import OPEN_LAUNCH, TASK, WANTED
from buildd.store.columns import Moment, among
from buildd.store.sql._parts import NOW, change, locked, matches, within
from buildd.store.sql.claims import CLAIMABLE
from buildd.store.statement import Statement
from buildd.store.tables import account, agent, launch, pool, task, worker, workspace

AT_ONCE = 100
"""How many launches are looked at in one step."""

_OPEN = among(launch.c.status, OPEN_LAUNCH)
# What is wanted is open; said with it, because SQLite does not see that an index of those holds it.
_WANTED = sa.and_(_OPEN, among(launch.c.status, WANTED))
_UNCLAIMED = launch.c.worker_id.is_(None)
_IDLE = sa.and_(_WANTED, _UNCLAIMED, launch.c.task_id.is_(None))


def _at(name: str) -> sa.BindParameter[Any]:
    return bindparam(name, type_=Moment())


def _count(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    return sa.select(sa.func.count()).select_from(launch).where(*conditions).scalar_subquery()


def _due(column: sa.ColumnElement[Any], moment: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return sa.or_(column.is_(None), column <= moment)


# An account's slots are for what works and for what is on its way to work.
_HAS_ROOM = sa.and_(
    pool.c.enabled,
    sa.not_(pool.c.halted),
    _due(pool.c.retry_at, NOW),
    account.c.deleted_at.is_(None),
    sa.not_(account.c.draining),
    _count(launch.c.pool_id == pool.c.id, _OPEN) < pool.c.maximum,
    account.c.live_workers + _count(launch.c.account_id == account.c.id, _OPEN, _UNCLAIMED)
    < account.c.max_concurrent_workers,
)
"""Whether a pool may launch one more."""

_FITS = {
    **CLAIMABLE,
    ReasonCode.MISSING_CAPABILITIES: within(task.c.required_capabilities, pool.c.capabilities),
}
"""The claim's own predicate, for the account and the capabilities of a pool."""

_FRESH = _at("fresh")
_PAIRS = task.join(workspace, workspace.c.id == task.c.workspace_id)
# What became pending just now, and an agent that waits for work could take: it needs no launch yet.
_OTHERS = (
    sa.select(task.c.id)
    .select_from(_PAIRS.join(agent, sa.true()).join(account, account.c.id == agent.c.account_id))
    .where(
        sa.or_(task.c.updated_at > _FRESH, task.c.not_before > _FRESH),
        sa.not_(agent.c.draining),
        agent.c.free_slots > sa.literal_column("0"),
        agent.c.last_seen_at >= _at("alive"),
        sa.or_(agent.c.workspace_id.is_(None), agent.c.workspace_id == task.c.workspace_id),
        *{
            **CLAIMABLE,
            ReasonCode.MISSING_CAPABILITIES: within(
                task.c.required_capabilities, agent.c.capabilities
            ),
        }.values(),
    )
    .cte("taken_soon")
)

_HAS_LAUNCH = sa.exists().where(launch.c.task_id == task.c.id, _OPEN)
PLAN = Statement(
    sa.select(
        task.c.id,
        task.c.epoch,
        task.c.workspace_id,
        pool.c.id.label("pool_id"),
        pool.c.account_id,
    )
    .select_from(
        pool.join(account, account.c.id == pool.c.account_id)
        .join(task, sa.true())
        .join(workspace, workspace.c.id == task.c.workspace_id)
    )
    .where(
        matches(pool.c.id, "pool"),
        matches(task.c.id, "task"),
        _HAS_ROOM,
        sa.or_(pool.c.workspace_id.is_(None), pool.c.workspace_id == task.c.workspace_id),
        *_FITS.values(),
        sa.not_(_HAS_LAUNCH),
        task.c.id.not_in(sa.select(_OTHERS.c.id)),
    )
    .order_by(task.c.priority.desc(), task.c.id, pool.c.created_at, pool.c.id)
    .limit(AT_ONCE)
)
"""Every task that waits, with every pool that could have an agent started for it, the oldest first."""

SHORT = Statement(
    sa.select(pool.c.id, pool.c.account_id)
    .select_from(pool.join(account, account.c.id == pool.c.account_id))
    .where(
        matches(pool.c.id, "pool"),
        _HAS_ROOM,
        _count(launch.c.pool_id == pool.c.id, _IDLE) < pool.c.minimum,
    )
    .order_by(pool.c.created_at, pool.c.id)
)
"""The pools that keep fewer idle agents ready than they should."""

HAS_POOLS = Statement(sa.select(pool.c.id).limit(1))
# Asked first: the plan has to look at every task that waits.
HAS_ROOM = Statement(
    sa.select(pool.c.id)
    .select_from(pool.join(account, account.c.id == pool.c.account_id))
    .where(_HAS_ROOM)
    .limit(1)
)

LATE = "its agent took no work in time"
TASK_IS_TAKEN = "its task does not need it any more"
ATTEMPT_IS_OVER = "its attempt is over"
POOL_IS_DISABLED = "its pool is disabled"
TOO_MANY = "its pool keeps fewer idle agents"

_enrolled = launch.c.key_id.is_not(None)
_older = launch.alias("older")
_rank = (
    sa.select(sa.func.count())
    .select_from(_older)
    .where(
        _older.c.pool_id == launch.c.pool_id,
        _older.c.id < launch.c.id,
        _older.c.worker_id.is_(None),
        _older.c.task_id.is_(None),
        among(_older.c.status, OPEN_LAUNCH),
        among(_older.c.status, WANTED),
    )
    .scalar_subquery()
)
_why = sa.case(
    (
        sa.and_(
            _UNCLAIMED,
            launch.c.starts_by <= NOW,
            sa.or_(launch.c.task_id.is_not(None), sa.not_(_enrolled)),
        ),
        sa.literal(LATE),
    ),
    (
        sa.and_(
            _UNCLAIMED,
            launch.c.task_id.is_not(None),
            sa.or_(
                task.c.id.is_(None),
                sa.not_(among(task.c.status, [TASK.initial])),
                task.c.epoch != launch.c.epoch,
            ),
        ),
        sa.literal(TASK_IS_TAKEN),
    ),
    (worker.c.completed_at <= _at("over"), sa.literal(ATTEMPT_IS_OVER)),
    (
        sa.and_(_UNCLAIMED, sa.or_(pool.c.id.is_(None), sa.not_(pool.c.enabled))),
        sa.literal(POOL_IS_DISABLED),
    ),
    (sa.and_(_IDLE, _rank >= pool.c.minimum), sa.literal(TOO_MANY)),
)
UNWANTED = Statement(
    sa.select(launch.c.id, launch.c.account_id, _why.label("reason"))
    .select_from(
        launch.outerjoin(pool, pool.c.id == launch.c.pool_id)
        .outerjoin(task, task.c.id == launch.c.task_id)
        .outerjoin(worker, worker.c.id == launch.c.worker_id)
    )
    .where(matches(launch.c.id, "launch"), _WANTED, _why.is_not(None))
    .order_by(launch.c.id)
    .limit(AT_ONCE)
)
"""The launches that should not go on, with why."""

# After an attempt its agent ends within moments, and its pool may need the room.
_ATTEMPT_ENDED = (
    launch.c.updated_at
    < sa.select(worker.c.completed_at).where(worker.c.id == launch.c.worker_id).scalar_subquery()
)
_FREE = sa.and_(
    _OPEN,
    _due(launch.c.busy_until, NOW),
    sa.or_(_due(launch.c.retry_at, NOW), sa.and_(launch.c.unknown_since.is_(None), _ATTEMPT_ENDED)),
)
DUE = Statement(
    sa.select(launch.c.id, launch.c.pool_id).where(_FREE).order_by(launch.c.id).limit(AT_ONCE)
)
"""The launches that want to be acted on, and nobody acts on."""

# Only one of several servers finds the row as it was.
TAKE_TURN = Statement(
    sa.update(launch)
    .where(launch.c.id == bindparam("of"), _FREE)
    .values(
        turn=launch.c.turn + sa.literal_column("1"),
        busy_until=_at("until"),
    )
    .returning(*launch.c)
)
LOCK_TURN = locked(
    sa.select(launch).where(launch.c.id == bindparam("id"), launch.c.turn == bindparam("turn")),
    launch,
)
"""The launch, if nobody has taken a turn since."""
TURN_COLUMNS = (
    "external_id",
    "url",
    "realm",
    "detail",
    "calls",
    "retry_at",
    "unknown_since",
    "extended_at",
)
END_TURN = change(launch, (*TURN_COLUMNS, "busy_until", "updated_at"))
SWEEP = Statement(
    sa.update(pool)
    .where(pool.c.id == bindparam("of"), _due(pool.c.swept_at, _at("before")))
    .values(swept_at=NOW)
    .returning(*pool.c)
)
TO_SWEEP = Statement(
    sa.select(pool.c.id).where(
        sa.not_(pool.c.halted),
        _due(pool.c.swept_at, _at("before")),
        sa.exists().where(launch.c.pool_id == pool.c.id),
    )
)
"""The pools that have launched something, and whose platforms nobody has looked at for a while."""
TOOK_NO_WORK = Statement(
    sa.update(pool)
    .where(pool.c.id == bindparam("of"))
    .values(failures=pool.c.failures + sa.literal_column("1"), updated_at=NOW)
    .returning(*pool.c),
    ("last_error",),
)
PUT_OFF = Statement(
    sa.update(pool).where(pool.c.id == bindparam("of")).values(retry_at=_at("until"))
)
HALT = Statement(
    sa.update(pool)
    .where(pool.c.id == bindparam("of"))
    .values(halted=sa.true(), updated_at=NOW)
    .returning(*pool.c),
    ("last_error",),
)
BEGIN_ANEW = Statement(
    sa.update(pool)
    .where(pool.c.id == bindparam("of"))
    .values(
        halted=sa.false(),
        failures=sa.literal_column("0"),
        retry_at=sa.null(),
        last_error=sa.null(),
        updated_at=NOW,
    )
)
