"""The fence: every write of an attempt passes here, and only the holder of the present epoch gets through."""

from __future__ import annotations

from collections.abc import Callable

from buildd.broker._context import Context
from buildd.broker._policy import own
from buildd.errors import LeaseLost, NotFound
from buildd.states import ENDED, LIVE, WorkerStatus
from buildd.store import Row
from buildd.store.sql import tasks as sql_tasks
from buildd.store.sql import workers as sql


def lock_worker(ctx: Context, worker_id: str) -> Row:
    """The worker, if the caller may see it, unchanged by others until the commit."""
    return _ask_for_worker(ctx, worker_id)()


def lock_with_task(ctx: Context, worker_id: str) -> tuple[Row, Row]:
    """The attempt whose lease the caller has or had, and its task, which the lease names too."""
    locked = _ask_for_worker(ctx, worker_id)
    tasks = ctx.tx.ask(sql_tasks.LOCK_TASK, id=ctx.principal.task_id, viewer=None)
    worker = locked()  # Without its worker, the task may be gone too.
    [task] = tasks()
    return worker, task


def _ask_for_worker(ctx: Context, worker_id: str) -> Callable[[], Row]:
    if ctx.by_lease:
        own(ctx.principal.worker_id, worker_id)
    asked = ctx.tx.ask(sql.LOCK_WORKER, id=worker_id, viewer=ctx.viewer)

    def locked() -> Row:
        for row in asked():
            return row
        raise NotFound("there is no such worker")

    return locked


def lock_beating(ctx: Context, worker_id: str, messages_after: str | None) -> Row:
    """The attempt whose lease the caller has or had, with all that a heartbeat asks about."""
    own(ctx.principal.worker_id, worker_id)
    row = ctx.tx.first(sql.LOCK_BEATING, id=worker_id, after=messages_after)
    if row is None:
        raise NotFound("there is no such worker")
    return row


def under_lease(ctx: Context, worker_id: str) -> Row:
    """The same for a caller who must hold its lease. Raises `LeaseLost`."""
    worker = lock_worker(ctx, worker_id)
    if not holds(ctx, worker):
        raise lost(worker)
    return worker


def check_reader(ctx: Context) -> None:
    """A token dies with its lease, for reading too. Raises `LeaseLost`."""
    worker = ctx.tx.first(sql.WORKER_SEEN, id=ctx.principal.worker_id, viewer=None)
    if worker is None:
        raise NotFound
    if not holds(ctx, worker):
        raise lost(worker)


def holds(ctx: Context, worker: Row) -> bool:
    """The epoch decides, not the time: an expired lease that nobody took away still stands."""
    return (
        worker.epoch == ctx.principal.epoch and worker.held and WorkerStatus(worker.status) in LIVE
    )


def lost(worker: Row) -> LeaseLost:
    """What a stale attempt hears, with the reason."""
    status = WorkerStatus(worker.status)
    if status in ENDED:
        reason = worker.error_code or status.value
    else:
        reason = "superseded" if status in LIVE else status.value
    return LeaseLost(f"this attempt is over: {reason}", reason=reason)
