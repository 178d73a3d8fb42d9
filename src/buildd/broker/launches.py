"""Launches: their steps, the work they take, and what people see and ask of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from buildd import operations as ops
from buildd.broker._context import Context, handles, model
from buildd.errors import NotClaimable, NotFound
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.models import Launch
from buildd.states import LAUNCH, OPEN_LAUNCH, OVER, LaunchStatus, LaunchVerb
from buildd.store import Row
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import pools as sql

_STEP = dict.fromkeys(("turn", "said", "external", "at", "within", "reason", "code"))


@handles(ops.ListLaunches)
def list_launches(ctx: Context, op: ops.ListLaunches) -> list[Launch]:
    """A page of launches."""
    rows = ctx.tx.all(
        sql.LAUNCHES,
        pool=op.pool_id,
        task=op.task_id,
        open=op.open,
        cursor=op.cursor,
        limit=op.limit,
    )
    return [model(Launch, row) for row in rows]


@handles(ops.GetLaunch)
def get_launch(ctx: Context, op: ops.GetLaunch) -> Launch:
    """One launch."""
    return model(Launch, launch_of(ctx, op.id))


@handles(ops.StopLaunch)
def stop_launch(ctx: Context, op: ops.StopLaunch) -> Launch:
    """Note that it is not wanted; what is stopping or over already stays as it is."""
    launch = launch_of(ctx, op.id)
    moved = move_launch(ctx, launch, LaunchVerb.STOP, reason="a person asked")
    return model(Launch, moved or launch_of(ctx, op.id))


def launch_of(ctx: Context, launch_id: str) -> Row:
    """The launch. Raises `NotFound`."""
    row = ctx.tx.first(sql.LAUNCH_BY_ID, id=launch_id)
    if row is None:
        raise NotFound("there is no such launch")
    return row


def request_launch(ctx: Context, pool: Row, task: Row | None) -> Row:
    """Write down that a pool wants one more, for a task or to be ready. Nothing is checked here."""
    row: dict[str, Any] = {
        "id": new_id(Kind.LAUNCH),
        "pool_id": pool.id,
        "account_id": pool.account_id,
        "workspace_id": pool.workspace_id if task is None else task.workspace_id,
        "task_id": None if task is None else task.id,
        "epoch": None if task is None else task.epoch,
        "status": LAUNCH.initial.value,
        "calls": 0,
        "turn": 0,
        "starts_by": ctx.tx.now + timedelta(seconds=pool.start_timeout_seconds),
        "created_at": ctx.tx.now,
        "updated_at": ctx.tx.now,
    }
    empty = dict.fromkeys(column for column in sql.LAUNCH_COLUMNS if column not in row)
    ctx.tx.run(sql.INSERT_LAUNCH, **row, **empty)
    launch = launch_of(ctx, row["id"])
    tell(ctx, launch, None)
    return launch


def move_launch(ctx: Context, launch: Row, verb: LaunchVerb, **step: Any) -> Row | None:
    """Take one step of the launch's machine; None if it does not apply, or `turn` is not the last.

    `said` is the new detail. ENSURE takes `external`, `at` and `within` (id, URL and realm), STOP a
    `reason`, END an exit `code`. The key that it enrolled for ends with it.
    """
    moved = ctx.tx.first(sql.MOVE_LAUNCH[verb], of=launch.id, now=ctx.tx.now, **{**_STEP, **step})
    if moved is None:
        return None
    if LaunchStatus(moved.status) in OVER and moved.key_id is not None:
        ctx.tx.all(sql_accounts.REVOKE_KEY, of=moved.key_id, owner=moved.account_id, now=ctx.tx.now)
        ctx.emit(EventType.ACCOUNT_UPDATED, {}, account_id=moved.account_id)
    tell(ctx, moved, launch.status)
    return moved


def tell(ctx: Context, launch: Row, previous: str | None) -> None:
    """Tell the feed about a launch."""
    ctx.emit(
        EventType.LAUNCH_UPDATED,
        {
            "launchId": launch.id,
            "status": launch.status,
            "previousStatus": previous,
            "poolId": launch.pool_id,
            "detail": launch.detail,
        },
        workspace_id=launch.workspace_id,
        task_id=launch.task_id,
        worker_id=launch.worker_id,
        account_id=launch.account_id,
    )


def bind(ctx: Context, launch_id: str, worker: Row, run_id: str | None) -> bool:
    """Note which attempt a launch made; False if it made one before, or is not wanted any more."""
    bound = ctx.tx.first(
        sql.BIND_LAUNCH, of=launch_id, worker=worker.id, run=run_id, now=ctx.tx.now
    )
    if bound is not None:
        tell(ctx, bound, bound.status)
    return bound is not None


def refusal(ctx: Context, launch_id: str) -> NotClaimable | None:
    """Why a launch takes no work any more, or None if it may."""
    launch = launch_of(ctx, launch_id)
    if launch.worker_id is not None:
        return NotClaimable(
            f"this token was used: launch {launch.id} has made worker {launch.worker_id}"
        )
    status = LaunchStatus(launch.status)
    if status in OPEN_LAUNCH and status is not LaunchStatus.STOPPING:
        return None
    why = f": {launch.stop_reason}" if launch.stop_reason else ""
    return NotClaimable(f"launch {launch.id} is {status.value}{why}")
