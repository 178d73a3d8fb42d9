"""Keys of accounts and of administrators: made, listed, rotated, revoked."""

from __future__ import annotations

from datetime import timedelta

from buildd import operations as ops
from buildd.broker._context import Context, handles, model
from buildd.broker.accounts import announce
from buildd.broker.tokens import KeyTerms, mint_key
from buildd.errors import NotFound, WrongState
from buildd.models import Key, NewKey
from buildd.store import Row
from buildd.store.sql import accounts as sql


@handles(ops.CreateKey)
def create_key(ctx: Context, op: ops.CreateKey) -> NewKey:
    """A further key."""
    _check_account(ctx, op.account_id)
    return mint_key(ctx, op.account_id, _terms(op))


@handles(ops.ListKeys)
def list_keys(ctx: Context, op: ops.ListKeys) -> list[Key]:
    """A page of an account's keys."""
    _check_account(ctx, op.account_id)
    return _page(ctx, op, op.account_id)


@handles(ops.RotateKey)
def rotate_key(ctx: Context, op: ops.RotateKey) -> NewKey:
    """A new key in place of an old one."""
    return _rotate(ctx, op.id, op.account_id, timedelta(seconds=op.overlap_seconds))


@handles(ops.RevokeKey)
def revoke_key(ctx: Context, op: ops.RevokeKey) -> Key:
    """Make a key useless; doing it twice is fine."""
    return _revoke(ctx, op.id, op.account_id)


@handles(ops.CreateAdminKey)
def create_admin_key(ctx: Context, op: ops.CreateAdminKey) -> NewKey:
    """A key of nobody's account is an administrator's."""
    return mint_key(ctx, None, _terms(op))


@handles(ops.ListAdminKeys)
def list_admin_keys(ctx: Context, op: ops.ListAdminKeys) -> list[Key]:
    """A page of the administrators' keys; the one from the environment is not the database's."""
    return _page(ctx, op, None)


@handles(ops.RotateAdminKey)
def rotate_admin_key(ctx: Context, op: ops.RotateAdminKey) -> NewKey:
    """A new key in place of an old one."""
    return _rotate(ctx, op.id, None, timedelta(seconds=op.overlap_seconds))


@handles(ops.RevokeAdminKey)
def revoke_admin_key(ctx: Context, op: ops.RevokeAdminKey) -> ops.Deleted:
    """Make an administrator's key useless."""
    return ops.Deleted(id=_revoke(ctx, op.id, None).id)


def _check_account(ctx: Context, account_id: str) -> None:
    if ctx.tx.first(sql.ACCOUNT_STANDS, id=account_id) is None:
        raise NotFound("there is no such account")


def _terms(op: ops.CreateKey | ops.CreateAdminKey) -> KeyTerms:
    seconds = op.expires_in_seconds
    return KeyTerms(op.name, op.scopes, None if seconds is None else timedelta(seconds=seconds))


def _page(ctx: Context, op: ops.Paged, owner: str | None) -> list[Key]:
    rows = ctx.tx.all(sql.KEYS, owner=owner, cursor=op.cursor, limit=op.limit)
    return [model(Key, row) for row in rows]


def _rotate(ctx: Context, key_id: str, owner: str | None, overlap: timedelta) -> NewKey:
    old, now = ctx.tx.first(sql.OWNED_KEY, id=key_id, owner=owner), ctx.tx.now
    if old is None:
        raise NotFound("there is no such key")
    _check_rotatable(ctx, old)
    life = None if old.expires_at is None else old.expires_at - old.created_at
    new = mint_key(ctx, owner, KeyTerms(old.name, old.scopes, life))
    until = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
    ctx.tx.all(sql.REPLACE_KEY, of=old.id, replaced_by=new.id, expires_at=until)
    announce(ctx, owner)
    return new


def _check_rotatable(ctx: Context, key: Row) -> None:
    if key.revoked_at is not None:
        raise WrongState("this key was revoked: make a new one")
    if key.replaced_by is not None:
        raise WrongState(f"this key was rotated already: rotate {key.replaced_by}")
    if key.expires_at is not None and key.expires_at <= ctx.tx.now:
        raise WrongState("this key has expired: make a new one")


def _revoke(ctx: Context, key_id: str, owner: str | None) -> Key:
    row = ctx.tx.first(sql.REVOKE_KEY, of=key_id, owner=owner, now=ctx.tx.now)
    if row is None:
        raise NotFound("there is no such key")
    announce(ctx, owner)
    return model(Key, row)
