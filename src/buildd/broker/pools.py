"""Pools: made, changed, removed; an account that stands for a repository's Actions has one by itself."""

from __future__ import annotations

import re
from typing import Any

from buildd import operations as ops
from buildd.broker._context import Context, check_match, handles, model
from buildd.errors import Invalid, NotConfigured, NotFound, WrongState
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.models import Leftover, Pool, PoolCheck
from buildd.routing import AccountType
from buildd.store import Row
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import pools as sql
from buildd.store.sql import workspaces as sql_workspaces

_OURS = "BUILDD_"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_FRESH: dict[str, Any] = {"failures": 0, "retry_at": None, "halted": False, "last_error": None}
"""What is known of a pool that has not failed, or may begin anew."""


@handles(ops.CreatePool)
def create_pool(ctx: Context, op: ops.CreatePool) -> Pool:
    """A pool."""
    if ctx.tx.first(sql_accounts.ACCOUNT_STANDS, id=op.account_id) is None:
        raise NotFound("there is no such account")
    _check(ctx, op)
    pool_id = new_id(Kind.POOL)
    ctx.tx.run(sql.INSERT_POOL, **_row(ctx, pool_id, op))
    _announce(ctx, op.account_id)
    return model(Pool, pool_of(ctx, pool_id))


@handles(ops.ListPools)
def list_pools(ctx: Context, op: ops.ListPools) -> list[Pool]:
    """A page of pools."""
    rows = ctx.tx.all(sql.POOLS, account=op.account_id, cursor=op.cursor, limit=op.limit)
    return [model(Pool, row) for row in rows]


@handles(ops.GetPool)
def get_pool(ctx: Context, op: ops.GetPool) -> Pool:
    """One pool."""
    return model(Pool, pool_of(ctx, op.id))


@handles(ops.UpdatePool)
def update_pool(ctx: Context, op: ops.UpdatePool) -> Pool:
    """Change what was given; it may begin anew. Its `config` only while it has no open launch."""
    row = _lock(ctx, op.id)
    check_match(op, Pool, row)
    new = {**{name: getattr(row, name) for name in op.changeable()}, **op.changes()}
    _check(ctx, op.model_copy(update=new))
    if new["enabled"] and ctx.tx.first(sql_accounts.ACCOUNT_STANDS, id=row.account_id) is None:
        raise WrongState("its account was deleted: make a pool of another account in its place")
    if new["config"] != row.config:
        # What runs could not be found again where the pool looks from now on.
        _refuse_while_open(ctx, op.id)
    ctx.tx.all(sql.CHANGE_POOL, of=op.id, **new, **_FRESH, updated_at=ctx.tx.now)
    _announce(ctx, row.account_id)
    return model(Pool, pool_of(ctx, op.id))


@handles(ops.DeletePool)
def delete_pool(ctx: Context, op: ops.DeletePool) -> ops.Deleted:
    """Remove a pool that nothing of runs any more."""
    _lock(ctx, op.id)
    _refuse_while_open(ctx, op.id)
    ctx.tx.run(sql.DELETE_POOL, of=op.id)
    return ops.Deleted(id=op.id)


@handles(ops.CheckPool)
def check_pool(ctx: Context, op: ops.CheckPool) -> PoolCheck:
    """The half of it that needs no platform: a broker that runs pools does the other."""
    pool_of(ctx, op.id)
    raise _no_dispatcher()


@handles(ops.ReapPool)
def reap_pool(ctx: Context, op: ops.ReapPool) -> list[Leftover]:
    """The half of it that needs no platform: a broker that runs pools does the other."""
    pool_of(ctx, op.id)
    raise _no_dispatcher()


def _refuse_while_open(ctx: Context, pool_id: str) -> None:
    # Counted anew: while the lock was waited for, another server may have launched something.
    count = pool_of(ctx, pool_id).open_launches
    if count:
        raise WrongState(
            f"the pool still has {count} open launches: set `enabled` to false and wait"
        )


def pool_of(ctx: Context, pool_id: str) -> Row:
    """The pool. Raises `NotFound`."""
    row = ctx.tx.first(sql.POOL, id=pool_id)
    if row is None:
        raise NotFound("there is no such pool")
    return row


def make_own_pool(ctx: Context, account: Row) -> None:
    """The pool of an account that stands for a repository's Actions, made once, then enabled again.

    One of that name that belongs to another account is left alone.
    """
    repository = account.github_id or ""
    if account.type != AccountType.ACTION or not _REPOSITORY.fullmatch(repository):
        return
    pool = ops.CreatePool(
        name=repository,
        account_id=account.id,
        runner="github_actions",
        config={"repository": repository, "event": "repository_dispatch"},
        maximum=account.max_concurrent_workers,
    )
    ctx.tx.run(sql.PUT_OWN_POOL, **_row(ctx, new_id(Kind.POOL), pool))


def disable_pools(ctx: Context, account_id: str, named: str | None = None) -> None:
    """Have an account's pools start nothing more."""
    ctx.tx.run(sql.DISABLE_POOLS, owner=account_id, named=named, now=ctx.tx.now)


def _row(ctx: Context, pool_id: str, op: ops.CreatePool) -> dict[str, Any]:
    return {
        "id": pool_id,
        **op.fields(),
        **_FRESH,
        "swept_at": None,
        "created_at": ctx.tx.now,
        "updated_at": ctx.tx.now,
    }


def _check(ctx: Context, pool: ops.CreatePool | ops.UpdatePool) -> None:
    if pool.minimum > pool.maximum:
        raise Invalid.field("minimum", f"is more than the maximum, {pool.maximum}")
    for name in pool.pass_env:
        if not _VARIABLE.fullmatch(name):
            raise Invalid.field("passEnv", f"{name!r} is no name of a variable")
        if name.upper().startswith(_OURS):
            raise Invalid.field("passEnv", f"{name} is buildd's own and never handed on")
    if pool.workspace_id is not None and not ctx.tx.all(
        sql_workspaces.WORKSPACE, id=pool.workspace_id, viewer=None
    ):
        raise NotFound("there is no such workspace")


def _lock(ctx: Context, pool_id: str) -> Row:
    row = ctx.tx.first(sql.LOCK_POOL, id=pool_id)
    if row is None:
        raise NotFound("there is no such pool")
    return row


def _announce(ctx: Context, account_id: str) -> None:
    """Dispatchers and waiting claims look again."""
    ctx.emit(EventType.ACCOUNT_UPDATED, {}, account_id=account_id)


def _no_dispatcher() -> NotConfigured:
    return NotConfigured("this broker runs no pools: ask a server")
