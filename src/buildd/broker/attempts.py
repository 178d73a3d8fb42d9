"""How an attempt moves and ends, and what that means for its task. No other file writes a status.

Locks are always taken in the same order: worker, task, account, workspace, money, event counter.
A claim goes account, task instead, but never waits for a task, so no cycle can form.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from buildd.broker import fence
from buildd.broker._context import EVENT_TEXT_LIMIT, Context
from buildd.broker.slots import stand_down
from buildd.errors import WrongState
from buildd.events import EventType
from buildd.jitter import between
from buildd.states import (
    HOLDING,
    LIVE,
    TASK,
    WORKER,
    ErrorCode,
    OnDependencyFailure,
    TaskStatus,
    TaskVerb,
    WorkerStatus,
    WorkerVerb,
)
from buildd.store import Row
from buildd.store.sql import tasks as sql_tasks
from buildd.store.sql import workers as sql

_BACKOFF_SECONDS = 10.0
_BACKOFF_MOST_SECONDS = 900.0
_BACKOFF_DOUBLINGS = 7


@dataclass(frozen=True)
class Ending:
    """How an attempt ended without a result."""

    verb: WorkerVerb
    error: str
    code: str
    report: str | None = None
    """The terminal report as it was received, so that it may be repeated."""


@dataclass(frozen=True)
class Comeback:
    """Whether and when the task of an ended attempt may be claimed again."""

    always: bool = False
    """Even if its attempts are used up, because a person says so."""
    refund: bool = False
    """The attempt does not count."""
    wait: bool = False
    """Only after a while, which doubles with each attempt."""
    never: bool = False
    """It failed for good."""


def move(ctx: Context, worker: Row, verb: WorkerVerb, **values: Any) -> Row:
    """Take one step of the worker's machine. Raises `WrongState` if it does not apply."""
    return ask_to_move(ctx, worker, verb, **values)()


def ask_to_move(ctx: Context, worker: Row, verb: WorkerVerb, **values: Any) -> Callable[[], Row]:
    """The same, which is done and told when what comes back is called."""
    if not WORKER.allows(verb, WorkerStatus(worker.status)):
        raise _wrong(verb, "worker", worker)
    asked = ctx.tx.ask(sql.MOVE_WORKER[verb], of=worker.id, now=ctx.tx.now, **values)
    freed: Callable[[], dict[str, bool]] = dict
    if WORKER.step(verb).target not in LIVE:
        freed = stand_down(ctx, worker, done=verb is WorkerVerb.COMPLETE)

    def moved() -> Row:
        data = {"previousStatus": worker.status, **freed()}
        for row in asked():
            ctx.emit_worker(EventType.WORKER_STATUS, row, status=row.status, **data)
            return row
        raise _wrong(verb, "worker", worker)

    return moved


def move_task(ctx: Context, task: Row, verb: TaskVerb, **values: Any) -> Row:
    """Take one step of the task's machine. Raises `WrongState` if it does not apply."""
    return ask_task_to_move(ctx, task, verb, **values)()


def ask_task_to_move(ctx: Context, task: Row, verb: TaskVerb, **values: Any) -> Callable[[], Row]:
    """The same, which is done and told when what comes back is called."""
    if not TASK.allows(verb, TaskStatus(task.status)):
        raise _wrong(verb, "task", task)
    asked = ctx.tx.ask(sql_tasks.MOVE_TASK[verb], of=task.id, now=ctx.tx.now, **values)
    kind = EventType.TASK_CANCELLED if verb is TaskVerb.CANCEL else EventType.TASK_UPDATED

    def moved() -> Row:
        for row in asked():
            ctx.emit_task(kind, row, **_told(row), previousStatus=task.status)
            return row
        raise _wrong(verb, "task", task)

    return moved


def _wrong(verb: WorkerVerb | TaskVerb, kind: str, row: Row) -> WrongState:
    said = f"{verb.value} does not apply to a {kind} that is {row.status}"
    return WrongState(said, current=row.status)


def end(ctx: Context, worker: Row, ending: Ending, comeback: Comeback) -> Row:
    """End an attempt without a result, and send its task back or to its own end."""
    task = _task_of(ctx, worker)
    ended = move(
        ctx,
        worker,
        ending.verb,
        reason=ending.error,
        reason_code=ending.code,
        report=ending.report,
    )
    if task.worker_id == worker.id:
        task = _come_back(ctx, task, ending, comeback)
    ctx.emit_worker(
        EventType.WORKER_ERROR,
        ended,
        error=ending.error[:EVENT_TEXT_LIMIT],
        errorCode=ending.code,
        taskStatus=task.status,
    )
    return ended


def complete(ctx: Context, worker: Row, held: Row, result: Any, report: str) -> Row:
    """Accept the one result of a task, which is locked as its worker is."""
    over = {"reason": None, "reason_code": None, "report": report}
    ending = ask_to_move(ctx, worker, WorkerVerb.COMPLETE, **over)
    completing = ask_task_to_move(ctx, held, TaskVerb.COMPLETE, outcome=result)
    children = ctx.tx.ask(sql_tasks.CHILDREN, parent=held.id)
    ended, task = ending(), completing()
    ctx.emit_worker(
        EventType.WORKER_COMPLETED,
        ended,
        result=result if len(json.dumps(result)) <= EVENT_TEXT_LIMIT else None,
        costUsd=float(ended.cost_usd),
        turns=ended.turns,
    )
    for child in children():
        _release(ctx, task, child)
    return ended


def cancel_task(ctx: Context, task: Row) -> Row:
    """Call a task off; its attempt ends at once, and so does whatever waits for it."""
    if task.worker_id is not None:
        worker = fence.lock_worker(ctx, task.worker_id)
        if WorkerStatus(worker.status) in HOLDING:
            _end_for_good(ctx, worker)
    cancelled = move_task(ctx, task, TaskVerb.CANCEL)
    _fail_children(ctx, cancelled)
    return cancelled


def hold_task(ctx: Context, worker: Row) -> None:
    """Its worker is paused: the task is held, not worked on."""
    task = _task_of(ctx, worker)
    if TASK.allows(TaskVerb.HOLD, TaskStatus(task.status)):
        move_task(ctx, task, TaskVerb.HOLD)


def run_task(ctx: Context, worker: Row) -> None:
    """Its worker is at work."""
    task = _task_of(ctx, worker)
    if TASK.allows(TaskVerb.RUN, TaskStatus(task.status)):
        move_task(ctx, task, TaskVerb.RUN)


def deadline(ctx: Context, task: Row) -> datetime | None:
    """When an attempt that works from now on without a person is ended, or None.

    One lease later than its time is up: an honest agent ends it itself, and saves what it has.
    """
    seconds = task.timeout_seconds
    return None if seconds is None else ctx.tx.now + timedelta(seconds=seconds + ctx.times.ttl)


def _end_for_good(ctx: Context, worker: Row) -> None:
    code = ErrorCode.CANCELLED.value
    ended = move(
        ctx,
        worker,
        WorkerVerb.CANCEL,
        reason="the task was cancelled",
        reason_code=code,
        report=None,
    )
    ctx.emit_worker(
        EventType.WORKER_ERROR,
        ended,
        error="the task was cancelled",
        errorCode=code,
        taskStatus=TaskStatus.CANCELLED.value,
    )


def _come_back(ctx: Context, task: Row, ending: Ending, comeback: Comeback) -> Row:
    reason = None if comeback.always or comeback.refund else _why_not_again(task, ending, comeback)
    if reason is not None:
        failed = move_task(ctx, task, TaskVerb.FAIL, reason=reason)
        _fail_children(ctx, failed)
        return failed
    return move_task(
        ctx,
        task,
        TaskVerb.REQUEUE,
        reason=ending.error,
        refund=int(comeback.refund),
        retry_at=ctx.tx.now + _backoff(task.attempt) if comeback.wait else None,
    )


def _why_not_again(task: Row, ending: Ending, comeback: Comeback) -> str | None:
    """Why a task may not be tried again, or None if it may."""
    if comeback.never:
        return ending.error
    if task.attempt >= task.max_attempts:
        return f"no attempt left of {task.max_attempts}: {ending.error}"
    if task.max_cost and task.cost_usd >= task.max_cost:
        return f"the limit of ${task.max_cost} is used up: {ending.error}"
    return None


def _backoff(attempt: int) -> timedelta:
    """Full jitter below a bound that doubles: 10 s at first, 15 minutes at most."""
    doublings = min(attempt - 1, _BACKOFF_DOUBLINGS)
    bound = min(_BACKOFF_SECONDS * 2**doublings, _BACKOFF_MOST_SECONDS)
    return timedelta(seconds=between(0, bound))


def _release(ctx: Context, parent: Row, child: Row) -> None:
    """One parent less to wait for."""
    if not ctx.tx.touch(sql_tasks.DEPENDENCY_DONE, parent=parent.id, child=child.id):
        return
    released = ctx.tx.first(sql_tasks.PARENT_DONE, of=child.id, now=ctx.tx.now)
    if released is not None and _is_ready(released):
        ctx.emit_task(
            EventType.TASK_UPDATED, released, **_told(released), previousStatus=released.status
        )


def _is_ready(task: Row) -> bool:
    return task.open_dependencies == 0 and TaskStatus(task.status) is TASK.initial


def _fail_children(ctx: Context, first: Row) -> None:
    """A loop, because a chain of tasks may be longer than Python's stack is deep."""
    ended = [first]
    while ended:
        parent = ended.pop()
        for child in ctx.tx.all(sql_tasks.CHILDREN, parent=parent.id):
            row = _locked(ctx, child.id)
            if row.on_dependency_failure == OnDependencyFailure.RUN:
                _release(ctx, parent, row)
            elif TaskStatus(row.status) is TASK.initial:
                reason = f"it depends on {parent.id}, which was {parent.status}"
                ended.append(move_task(ctx, row, TaskVerb.FAIL, reason=reason))


def _task_of(ctx: Context, worker: Row) -> Row:
    return _locked(ctx, worker.task_id)


def _locked(ctx: Context, task_id: str) -> Row:
    return ctx.tx.first(sql_tasks.LOCK_TASK, id=task_id, viewer=None)


def _told(task: Row) -> dict[str, Any]:
    """What the feed's readers need to know to see whether the task is for them."""
    return {
        "title": task.title,
        "status": task.status,
        "runnerPreference": task.runner_preference,
        "requiredCapabilities": task.required_capabilities,
    }


def announce(ctx: Context, task: Row) -> None:
    """Tell the feed of a new task."""
    ctx.emit_task(EventType.TASK_CREATED, task, **_told(task))
