"""Hooks: made, changed, removed, tried. What they are told, the relay sends."""

from __future__ import annotations

from datetime import timedelta

from buildd import operations as ops
from buildd.broker._context import Context, check_match, handles, model
from buildd.broker.relay.hooks import call_off, secret_of
from buildd.broker.relay.outbox import last_seq, put
from buildd.broker.relay.senders import Draft
from buildd.errors import NotFound, WrongState
from buildd.ids import Kind, new_id
from buildd.models import Delivery, Hook, HookMessage, NewHook
from buildd.store import Row
from buildd.store.sql import deliveries as sql_deliveries
from buildd.store.sql import hooks as sql
from buildd.store.sql import workspaces as sql_workspaces
from buildd.telling import TargetKind

_TEST = "test"
_FRESH = {"disabled_reason": None, "failing_since": None, "last_error": None}
"""What is known of a hook that has not failed, or may begin anew."""


@handles(ops.CreateHook)
def create_hook(ctx: Context, op: ops.CreateHook) -> NewHook:
    """A hook, for what happens from now on."""
    if op.workspace_id is not None and not ctx.tx.all(
        sql_workspaces.WORKSPACE, id=op.workspace_id, viewer=None
    ):
        raise NotFound("there is no such workspace")
    hook_id = new_id(Kind.HOOK)
    ctx.tx.run(
        sql.INSERT_HOOK,
        id=hook_id,
        **op.fields(),
        **_FRESH,
        generation=1,
        overlap_until=None,
        since_seq=last_seq(ctx.tx),
        created_at=ctx.tx.now,
        updated_at=ctx.tx.now,
    )
    return _with_secret(ctx, _hook(ctx, hook_id))


@handles(ops.ListHooks)
def list_hooks(ctx: Context, op: ops.ListHooks) -> list[Hook]:
    """A page of hooks."""
    rows = ctx.tx.all(sql.HOOKS, workspace=op.workspace_id, cursor=op.cursor, limit=op.limit)
    return [model(Hook, row) for row in rows]


@handles(ops.GetHook)
def get_hook(ctx: Context, op: ops.GetHook) -> Hook:
    """One hook."""
    return model(Hook, _hook(ctx, op.id))


@handles(ops.UpdateHook)
def update_hook(ctx: Context, op: ops.UpdateHook) -> Hook:
    """Change what was given; switched on again, it begins anew."""
    row = _lock(ctx, op.id)
    check_match(op, Hook, row)
    names = ("url", "types", "active", *_FRESH, "since_seq")
    new = {**{name: getattr(row, name) for name in names}, **op.changes()}
    if new["active"] and not row.active:
        new |= {**_FRESH, "since_seq": last_seq(ctx.tx)}
    if not new["active"]:
        call_off(ctx, op.id, "the hook was switched off")
    return model(Hook, ctx.tx.first(sql.CHANGE_HOOK, of=op.id, **new, updated_at=ctx.tx.now))


@handles(ops.DeleteHook)
def delete_hook(ctx: Context, op: ops.DeleteHook) -> ops.Deleted:
    """Remove it, and what it was or would have been told."""
    _lock(ctx, op.id)
    ctx.tx.run(sql_deliveries.DELETE_DELIVERIES, target=op.id)
    ctx.tx.run(sql.DELETE_HOOK, of=op.id)
    return ops.Deleted(id=op.id)


@handles(ops.RotateHook)
def rotate_hook(ctx: Context, op: ops.RotateHook) -> NewHook:
    """The next secret; the last one signs too for a while."""
    row = _lock(ctx, op.id)
    rotated = ctx.tx.first(
        sql.ROTATE,
        of=op.id,
        generation=row.generation + 1,
        overlap_until=ctx.tx.now + timedelta(seconds=op.overlap_seconds),
        updated_at=ctx.tx.now,
    )
    return _with_secret(ctx, rotated)


@handles(ops.TestHook)
def test_hook(ctx: Context, op: ops.TestHook) -> Delivery:
    """A message that tells of nothing."""
    row = _active(ctx, op.id)
    message = HookMessage(type=_TEST, timestamp=ctx.tx.now, workspace_id=row.workspace_id)
    draft = Draft(op.id, _TEST, None, message.model_dump_json(exclude_none=True))
    [delivery_id] = put(ctx, TargetKind.HOOK, draft)
    return _delivery(ctx, op.id, delivery_id)


@handles(ops.ListDeliveries)
def list_deliveries(ctx: Context, op: ops.ListDeliveries) -> list[Delivery]:
    """A page of its deliveries."""
    _hook(ctx, op.hook_id)
    rows = ctx.tx.all(
        sql_deliveries.DELIVERIES, target=op.hook_id, cursor=op.cursor, limit=op.limit
    )
    return [model(Delivery, row) for row in rows]


@handles(ops.Redeliver)
def redeliver(ctx: Context, op: ops.Redeliver) -> Delivery:
    """Send it again from the beginning."""
    _active(ctx, op.hook_id)
    found = _delivery(ctx, op.hook_id, op.id)
    if ctx.tx.first(sql_deliveries.REDELIVER, of=op.id, target=op.hook_id, now=ctx.tx.now) is None:
        raise WrongState(f"it is {found.status} and will be sent anyway", current=found.status)
    return _delivery(ctx, op.hook_id, op.id)


def _hook(ctx: Context, hook_id: str) -> Row:
    row = ctx.tx.first(sql.HOOK, id=hook_id)
    if row is None:
        raise NotFound("there is no such hook")
    return row


def _lock(ctx: Context, hook_id: str) -> Row:
    row = ctx.tx.first(sql.LOCK_HOOK, id=hook_id)
    if row is None:
        raise NotFound("there is no such hook")
    return row


def _active(ctx: Context, hook_id: str) -> Row:
    row = _lock(ctx, hook_id)
    if not row.active:
        raise WrongState("the hook is switched off: set `active` to true first")
    return row


def _delivery(ctx: Context, hook_id: str, delivery_id: str) -> Delivery:
    row = ctx.tx.first(sql_deliveries.DELIVERY_OF, id=delivery_id, target=hook_id)
    if row is None:
        raise NotFound("there is no such delivery of this hook")
    return model(Delivery, row)


def _with_secret(ctx: Context, row: Row) -> NewHook:
    return NewHook(**model(Hook, row).model_dump(), secret=secret_of(ctx, row, row.generation))
