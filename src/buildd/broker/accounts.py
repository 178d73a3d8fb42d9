"""Accounts: made, changed, keyed, granted."""

from __future__ import annotations

from decimal import Decimal

from buildd import operations as ops
from buildd.broker._context import Context, check_match, handles, model
from buildd.broker.pools import disable_pools, make_own_pool
from buildd.broker.tokens import mint_key
from buildd.budget import budget_day
from buildd.errors import NotFound, WrongState
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.models import Account, Agent, Grant, NewAccount
from buildd.store import Row
from buildd.store.sql import accounts as sql
from buildd.store.sql import workspaces as sql_workspaces


@handles(ops.CreateAccount)
def create_account(ctx: Context, op: ops.CreateAccount) -> NewAccount:
    """An account and its first key, in one transaction."""
    account_id = new_id(Kind.ACCOUNT)
    ctx.tx.run(
        sql.INSERT_ACCOUNT,
        id=account_id,
        **{**op.fields(), "type": op.type.value},
        draining=False,
        live_workers=0,
        total_cost=Decimal(0),
        total_tasks=0,
        deleted_at=None,
        created_at=ctx.tx.now,
        updated_at=ctx.tx.now,
    )
    key = mint_key(ctx, account_id)
    row = _account(ctx, account_id)
    make_own_pool(ctx, row)
    announce(ctx, account_id)
    account = model(Account, row)
    return NewAccount(**account.model_dump(by_alias=False), key_id=key.id, api_key=key.api_key)


@handles(ops.ListAccounts)
def list_accounts(ctx: Context, op: ops.ListAccounts) -> list[Account]:
    """A page of accounts."""
    rows = ctx.tx.all(sql.ACCOUNTS, day=budget_day(ctx.tx.now), cursor=op.cursor, limit=op.limit)
    return [model(Account, row) for row in rows]


@handles(ops.GetAccount)
def get_account(ctx: Context, op: ops.GetAccount) -> Account:
    """One account."""
    return model(Account, _account(ctx, op.id))


@handles(ops.GetMe)
def get_me(ctx: Context, op: ops.GetMe) -> Account:
    """The caller's account."""
    return model(Account, _account(ctx, ctx.principal.account_id))


@handles(ops.UpdateAccount)
def update_account(ctx: Context, op: ops.UpdateAccount) -> Account:
    """Change what was given; the rest stays."""
    row = ctx.tx.first(sql.LOCK_ACCOUNT, id=op.id, day=budget_day(ctx.tx.now))
    if row is None:
        raise NotFound
    check_match(op, Account, row)
    kept = {name: getattr(row, name) for name in op.changeable()}
    ctx.tx.all(sql.CHANGE_ACCOUNT, of=op.id, **{**kept, **op.changes()}, updated_at=ctx.tx.now)
    changed = _account(ctx, op.id)
    if changed.github_id != row.github_id:
        if row.github_id is not None:
            disable_pools(ctx, op.id, named=row.github_id)
        make_own_pool(ctx, changed)
    announce(ctx, op.id)
    return model(Account, changed)


@handles(ops.DrainAccount)
def drain_account(ctx: Context, op: ops.DrainAccount) -> Account:
    """Stop giving it work, or start again."""
    if ctx.tx.first(sql.SET_DRAINING, of=op.id, draining=op.draining) is None:
        raise NotFound("there is no such account")
    announce(ctx, op.id)
    return model(Account, _account(ctx, op.id))


@handles(ops.DeleteAccount)
def delete_account(ctx: Context, op: ops.DeleteAccount) -> ops.Deleted:
    """Hide an account that holds no work, and make its keys useless."""
    account = _account(ctx, op.id)
    if ctx.tx.first(sql.HIDE_ACCOUNT, of=op.id, now=ctx.tx.now) is None:
        raise WrongState(f"the account still has {account.live_workers} live workers")
    ctx.tx.run(sql.REVOKE_ALL_KEYS, owner=op.id, now=ctx.tx.now)
    disable_pools(ctx, op.id)
    announce(ctx, op.id)
    return ops.Deleted(id=op.id)


@handles(ops.ListAgents)
def list_agents(ctx: Context, op: ops.ListAgents) -> list[Agent]:
    """A page of the agents; an account sees its own."""
    rows = ctx.tx.all(
        sql.AGENTS,
        viewer=ctx.viewer,
        account=op.account_id,
        cursor=op.cursor,
        limit=op.limit,
    )
    return [model(Agent, row) for row in rows]


@handles(ops.GrantWorkspace)
def grant_workspace(ctx: Context, op: ops.GrantWorkspace) -> Grant:
    """Make or change a grant."""
    _account(ctx, op.account_id)
    if ctx.tx.first(sql_workspaces.WORKSPACE, id=op.workspace_id, viewer=None) is None:
        raise NotFound("there is no such workspace")
    grant = Grant.model_validate(op.fields())
    ctx.tx.run(sql.PUT_GRANT, **grant.model_dump(by_alias=False))
    announce(ctx, op.account_id)
    return grant


@handles(ops.ListGrants)
def list_grants(ctx: Context, op: ops.ListGrants) -> list[Grant]:
    """An account's grants."""
    _account(ctx, op.account_id)
    return [model(Grant, row) for row in ctx.tx.all(sql.GRANTS, account=op.account_id)]


@handles(ops.RevokeGrant)
def revoke_grant(ctx: Context, op: ops.RevokeGrant) -> ops.Deleted:
    """Take a grant away."""
    if not ctx.tx.touch(sql.DELETE_GRANT, account=op.account_id, workspace=op.workspace_id):
        raise NotFound
    announce(ctx, op.account_id)
    return ops.Deleted(id=op.workspace_id)


def _account(ctx: Context, account_id: str | None) -> Row:
    row = ctx.tx.first(sql.ACCOUNT, id=account_id, day=budget_day(ctx.tx.now))
    if row is None:
        raise NotFound("there is no such account")
    return row


def announce(ctx: Context, account_id: str | None) -> None:
    """An account or its rights were changed: whoever remembers them looks again."""
    ctx.emit(EventType.ACCOUNT_UPDATED, {}, account_id=account_id)
