"""Launches: their steps, the work they take, and what people see and ask of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from buildd import operations as ops
from buildd.broker._context import Context, handles, model
from buildd.broker.principals import PrincipalKind
from buildd.errors import Forbidden, NotAuthenticated, NotClaimable, NotFound
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.models import Launch
from buildd.routing import AccountType
from buildd.states import LAUNCH, OVER, WANTED, LaunchStatus, LaunchVerb
from buildd.store import Row
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import pools as sql

_STEP = dict.fromkeys(("said", "external", "at", "within", "reason", "code"))


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
    """Note that it is not wanted; what is over already stays as it is.

    Said again of one whose platform does not answer, it is given up: only a person can know that the
    platform will not come back. Should it, the sweep stops what is left there.
    """
    launch = launch_of(ctx, op.id)
    if launch.status == LaunchStatus.STOPPING and launch.unknown_since is not None:
        said = "given up by a person: its platform does not answer"
        moved = move_launch(ctx, launch, LaunchVerb.END, said=said)
    else:
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
    """Take one step of the launch's machine; None if it does not apply.

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


def own_task(ctx: Context, op: ops.ClaimTasks) -> ops.ClaimTasks:
    """What an acquisition token may ask for: the task of its launch, and nothing else.

    Raises `Forbidden` for another one, and `NotAuthenticated` once its time is over.
    """
    mine = ctx.principal
    assert mine.expires_at is not None
    if mine.expires_at <= ctx.tx.now:
        raise NotAuthenticated("this acquisition token has expired")
    asked = (op.task_id or mine.task_id, op.workspace_id or mine.workspace_id)
    if asked != (mine.task_id, mine.workspace_id):
        raise Forbidden("an acquisition token claims the task of its launch, and no other")
    return op.model_copy(update={"task_id": mine.task_id, "max_tasks": 1})


def bind(ctx: Context, launch_id: str, worker: Row, run_id: str | None) -> None:
    """Note which attempt a launch has made.

    Raises `NotClaimable` if the caller is a launch's agent and may make none (any more).
    """
    run = run_id if ctx.principal.account_type is AccountType.ACTION else None
    bound = ctx.tx.first(sql.BIND_LAUNCH, of=launch_id, worker=worker.id, run=run, now=ctx.tx.now)
    if bound is not None:
        ctx.tx.run(sql.DOES_WELL, of=bound.pool_id)
        tell(ctx, bound, bound.status)
    else:
        check_wanted(ctx)


def check_wanted(ctx: Context) -> None:
    """Raises `NotClaimable` if the caller is a launch's agent that is to take no work (any more)."""
    if ctx.principal.launch_id is None:
        return
    launch = launch_of(ctx, ctx.principal.launch_id)
    by_token = ctx.principal.kind is PrincipalKind.ACQUIRE
    if by_token and launch.worker_id is not None:
        raise NotClaimable(
            f"this token was used: launch {launch.id} has made worker {launch.worker_id}"
        )
    if LaunchStatus(launch.status) not in WANTED:
        why = f": {launch.stop_reason}" if launch.stop_reason else ""
        raise NotClaimable(f"launch {launch.id} is {launch.status}{why}")
