"""Pools, the launches they made as people and agents see them, and tokens that work once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from buildd.states import LAUNCH, OPEN_LAUNCH, OVER, WANTED, LaunchVerb
from buildd.store.columns import Moment, among
from buildd.store.sql._parts import NOW, change, locked, matches, optional, page
from buildd.store.statement import Statement
from buildd.store.tables import account, launch, pool, single_use_token

PRUNE_AT_ONCE = 500

_OPEN_OF_POOL = (
    sa.select(sa.func.count())
    .where(launch.c.pool_id == pool.c.id, among(launch.c.status, OPEN_LAUNCH))
    .scalar_subquery()
)
_POOLS = sa.select(pool, _OPEN_OF_POOL.label("open_launches"))

INSERT_POOL = Statement(sa.insert(pool))
_own = insert(pool)
# One of that name which somebody made for another account stays theirs.
PUT_OWN_POOL = Statement(
    _own.on_conflict_do_update(
        index_elements=["name"],
        set_={"enabled": _own.excluded.enabled, "updated_at": _own.excluded.updated_at},
        where=pool.c.account_id == _own.excluded.account_id,
    )
)
POOL = Statement(_POOLS.where(pool.c.id == bindparam("id")))
LOCK_POOL = locked(_POOLS.where(pool.c.id == bindparam("id")), pool)
POOLS = page(_POOLS.where(matches(pool.c.account_id, "account")), pool.c.id)
CHANGE_POOL = change(
    pool,
    (
        "name",
        "config",
        "workspace_id",
        "capabilities",
        "arguments",
        "pass_env",
        "minimum",
        "maximum",
        "start_timeout_seconds",
        "enabled",
        "server",
        "failures",
        "retry_at",
        "halted",
        "last_error",
        "updated_at",
    ),
)
DELETE_POOL = Statement(sa.delete(pool).where(pool.c.id == bindparam("of")))
DISABLE_POOLS = Statement(
    sa.update(pool)
    .where(pool.c.account_id == bindparam("owner"), matches(pool.c.name, "named"), pool.c.enabled)
    .values(enabled=False, updated_at=NOW)
)

INSERT_LAUNCH = Statement(sa.insert(launch))
LAUNCH_COLUMNS = tuple(column.name for column in launch.columns)
LAUNCH_BY_ID = Statement(sa.select(launch).where(launch.c.id == bindparam("id")))
LOCK_LAUNCH = locked(sa.select(launch).where(launch.c.id == bindparam("id")), launch)
_SHOWN = sa.cast(bindparam("open", type_=sa.Boolean()), sa.Boolean())
LAUNCHES = page(
    sa.select(launch).where(
        matches(launch.c.pool_id, "pool"),
        matches(launch.c.task_id, "task"),
        sa.or_(
            _SHOWN.is_(None),
            sa.and_(_SHOWN, among(launch.c.status, OPEN_LAUNCH)),
            sa.and_(sa.not_(_SHOWN), among(launch.c.status, OVER)),
        ),
    ),
    launch.c.id,
)
LAUNCH_OF_TASK = Statement(
    sa.select(launch).where(
        launch.c.task_id == bindparam("task"), among(launch.c.status, OPEN_LAUNCH)
    )
)


def _move(verb: LaunchVerb, **values: Any) -> Statement:
    step = LAUNCH.step(verb)
    return Statement(
        sa.update(launch)
        .where(launch.c.id == bindparam("of"), among(launch.c.status, step.sources))
        .values(
            status=sa.literal_column(f"'{step.target.value}'"),
            detail=sa.func.coalesce(optional("said"), launch.c.detail),
            calls=sa.literal_column("0"),
            retry_at=sa.null(),
            unknown_since=sa.null(),
            updated_at=NOW,
            **values,
        )
        .returning(*launch.c)
    )


# A run's number, as GitHub gives it; before it is known something else stands in its place.
_NUMBERED = sa.and_(
    sa.func.coalesce(launch.c.external_id, "") != "",
    sa.func.ltrim(launch.c.external_id, "0123456789") == "",
)
_STARTED = {"started_at": sa.func.coalesce(launch.c.started_at, NOW, type_=Moment())}

MOVE_LAUNCH: dict[LaunchVerb, Statement] = {
    LaunchVerb.ENSURE: _move(
        LaunchVerb.ENSURE,
        # Its run may have come in, and said its number, before GitHub has answered.
        external_id=sa.case((_NUMBERED, launch.c.external_id), else_=optional("external")),
        url=optional("at"),
        realm=sa.func.coalesce(optional("within"), launch.c.realm),
        **_STARTED,
    ),
    LaunchVerb.RUN: _move(LaunchVerb.RUN, **_STARTED),
    LaunchVerb.STOP: _move(LaunchVerb.STOP, stop_reason=optional("reason")),
    LaunchVerb.END: _move(
        LaunchVerb.END, exit_code=bindparam("code", type_=sa.Integer()), ended_at=NOW
    ),
    LaunchVerb.FAIL: _move(LaunchVerb.FAIL, ended_at=NOW),
}
"""Each step of a launch's machine as the guarded UPDATE that takes it."""

# What makes the tokens of a launch single-use together: the first claim gets it, no second one.
BIND_LAUNCH = Statement(
    sa.update(launch)
    .where(
        launch.c.id == bindparam("of"),
        launch.c.worker_id.is_(None),
        among(launch.c.status, WANTED),
    )
    .values(
        worker_id=bindparam("worker"),
        external_id=sa.case(
            (sa.and_(optional("run").is_not(None), sa.not_(_NUMBERED)), optional("run")),
            else_=launch.c.external_id,
        ),
        updated_at=NOW,
    )
    .returning(*launch.c)
)
DOES_WELL = Statement(
    sa.update(pool)
    .where(pool.c.id == bindparam("of"), pool.c.failures > sa.literal_column("0"))
    .values(failures=sa.literal_column("0"), retry_at=sa.null(), last_error=sa.null())
)
ENROL_LAUNCH = Statement(
    sa.update(launch)
    .where(
        launch.c.id == bindparam("of"), launch.c.key_id.is_(None), among(launch.c.status, WANTED)
    )
    .values(key_id=bindparam("key"), updated_at=NOW)
    .returning(launch.c.id)
)

INSERT_TOKEN = Statement(sa.insert(single_use_token))
TOKEN_BY_DIGEST = Statement(
    sa.select(
        single_use_token.c.account_id,
        single_use_token.c.launch_id,
        single_use_token.c.expires_at,
        account.c.type,
        launch.c.task_id,
        launch.c.workspace_id,
        launch.c.status,
    )
    .join(account, account.c.id == single_use_token.c.account_id)
    .outerjoin(launch, launch.c.id == single_use_token.c.launch_id)
    .where(
        single_use_token.c.digest == bindparam("digest"),
        single_use_token.c.kind == bindparam("kind"),
        account.c.deleted_at.is_(None),
    )
)
USE_TOKEN = Statement(
    sa.update(single_use_token)
    .where(single_use_token.c.digest == bindparam("of"), single_use_token.c.used_at.is_(None))
    .values(used_at=NOW)
    .returning(single_use_token.c.launch_id)
)
_FORGOTTEN = (
    sa.select(launch.c.id)
    .where(among(launch.c.status, OVER), launch.c.ended_at < bindparam("before", type_=Moment()))
    .order_by(launch.c.ended_at)
    .limit(PRUNE_AT_ONCE)
)
PRUNE_LAUNCHES = Statement(sa.delete(launch).where(launch.c.id.in_(_FORGOTTEN)))
FORGET_TOKENS = Statement(
    sa.delete(single_use_token).where(
        single_use_token.c.expires_at < bindparam("before", type_=Moment())
    )
)
