"""Workers: started, kept alive, asked and answered, paused and resumed, ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from buildd import operations as ops
from buildd.broker import attempts, fence, ledger, limits
from buildd.broker._context import Context, handles, jsonable, model
from buildd.broker._policy import own
from buildd.broker.attempts import Comeback, Ending
from buildd.broker.idempotency import fingerprint
from buildd.broker.records import messages_to_agent, say
from buildd.broker.slots import take_slots
from buildd.budget import budget_day, estimate, left
from buildd.errors import NotClaimable, NotFound, WrongState
from buildd.events import EventType
from buildd.models import Beat, Lease, Order, Role, WaitingFor, Worker
from buildd.states import (
    WORKER,
    ErrorCode,
    WorkerStatus,
    WorkerVerb,
)
from buildd.store import Refused, Row
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import tasks as sql_tasks
from buildd.store.sql import workers as sql
from buildd.store.sql import workspaces as sql_workspaces


@handles(ops.ListWorkers)
def list_workers(ctx: Context, op: ops.ListWorkers) -> list[Worker]:
    """A page of the workers the caller may see; for an attempt, those at its own task."""
    task_id = ctx.principal.task_id if ctx.by_lease else op.task_id
    if ctx.by_lease and op.task_id is not None:
        own(task_id, op.task_id)
    rows = ctx.tx.all(
        sql.WORKERS[op.open],
        viewer=ctx.viewer,
        workspace=op.workspace_id,
        task=task_id,
        account=op.account_id,
        status=op.status,
        cursor=op.cursor,
        limit=op.limit,
    )
    return [model(Worker, row) for row in rows]


@handles(ops.GetWorker)
def get_worker(ctx: Context, op: ops.GetWorker) -> Worker:
    """One worker; an attempt sees itself."""
    if ctx.by_lease:
        own(ctx.principal.worker_id, op.id)
    row = ctx.tx.first(sql.WORKER_SEEN, id=op.id, viewer=ctx.viewer)
    if row is None:
        raise NotFound("there is no such worker")
    return model(Worker, row)


@handles(ops.StartWorker)
def start_worker(ctx: Context, op: ops.StartWorker) -> Worker:
    """Begin; or, for a person, take a paused worker up again."""
    worker = fence.under_lease(ctx, op.id) if ctx.by_lease else fence.lock_worker(ctx, op.id)
    if WorkerStatus(worker.status) is WorkerStatus.PAUSED and not ctx.by_lease:
        return model(Worker, _resume(ctx, worker))
    return model(Worker, attempts.move(ctx, worker, WorkerVerb.START))


@handles(ops.Heartbeat)
def heartbeat(ctx: Context, op: ops.Heartbeat) -> Beat | Refused:
    """Renew, report, and hear orders. A lost lease is told so, but its bill is booked."""
    known = fence.lock_beating(ctx, op.id, op.messages_after)
    worker = ledger.meter(ctx, known, op.cost_usd)
    if not fence.holds(ctx, worker):
        if _was_just_cancelled(ctx, worker):
            return _beat(ctx, worker, op, [Order.CANCEL])
        return Refused(fence.lost(worker))
    if op.status is not None and WorkerStatus(worker.status) is WorkerStatus.IDLE:
        raise WrongState("start the worker first", current=worker.status)
    renewed = _renew(ctx, worker, op)
    if worker.cost_usd > known.cost_usd:
        renewed = limits.ask_if_over(ctx, renewed)
    if op.status is not None and WORKER.allows(WorkerVerb.RUN, WorkerStatus(worker.status)):
        # What it returns knows less than `renewed`, which is a row of `LOCK_BEATING`.
        attempts.run_task(ctx, attempts.move(ctx, renewed, WorkerVerb.RUN))
    return _beat(ctx, renewed, op, limits.orders(ctx, renewed))


@handles(ops.AskWorker)
def ask_worker(ctx: Context, op: ops.AskWorker) -> Worker:
    """Ask a person, and wait under the same lease."""
    worker = fence.under_lease(ctx, op.id)
    question = WaitingFor(type=op.type, prompt=op.prompt, options=op.options, asked_at=ctx.tx.now)
    asked = attempts.move(ctx, worker, WorkerVerb.ASK, question=jsonable(question))
    ctx.emit_worker(EventType.WORKER_WAITING, asked, waitingFor=jsonable(question))
    return model(Worker, asked)


@handles(ops.AnswerWorker)
def answer_worker(ctx: Context, op: ops.AnswerWorker) -> Worker:
    """The answer reaches the agent as a message."""
    worker = fence.lock_worker(ctx, op.id)
    if limits.is_asked(worker):
        answered = limits.answer(ctx, worker, op.content)
        paused = WorkerStatus(answered.status) is WorkerStatus.PAUSED
        return model(Worker, _resume(ctx, answered) if paused else answered)
    if worker.waiting_for is None:
        # Two people who saw the same question: the second must not wonder what went wrong.
        said = "it asks nothing now: somebody may have answered it already"
        raise WrongState(said, current=worker.status)
    task = ctx.tx.first(sql_tasks.TASK_SEEN, id=worker.task_id, viewer=None)
    limit = attempts.deadline(ctx, task)
    answered = attempts.move(ctx, worker, WorkerVerb.ANSWER, limit=limit)
    question = worker.waiting_for["prompt"]
    say(ctx, answered, Role.USER, op.content, answers=question)
    return model(Worker, answered)


@handles(ops.PauseWorker)
def pause_worker(ctx: Context, op: ops.PauseWorker) -> Worker:
    """A person asks for a pause; the agent confirms it once its work is safe."""
    if ctx.by_lease:
        return model(Worker, pause_now(ctx, fence.under_lease(ctx, op.id)))
    worker = fence.lock_worker(ctx, op.id)
    if WorkerStatus(worker.status) is WorkerStatus.IDLE:
        return model(Worker, pause_now(ctx, worker))
    asked = ctx.tx.first(sql.REQUEST_PAUSE, of=op.id, now=ctx.tx.now)
    if asked is None:
        raise WrongState(
            f"a worker that is {worker.status} cannot be paused", current=worker.status
        )
    ctx.emit_worker(
        EventType.WORKER_STATUS,
        asked,
        status=asked.status,
        previousStatus=worker.status,
        orders=[Order.PAUSE.value],
    )
    return model(Worker, asked)


@handles(ops.CompleteWorker)
def complete_worker(ctx: Context, op: ops.CompleteWorker) -> Worker | Refused:
    """Accept the result, once; the same report again gets the same answer."""
    worker, task = fence.lock_with_task(ctx, op.id)
    report = fingerprint(op)
    if not fence.holds(ctx, worker):
        return _again(ctx, worker, report)
    return model(Worker, attempts.complete(ctx, worker, task, op.result, report))


@handles(ops.FailWorker)
def fail_worker(ctx: Context, op: ops.FailWorker) -> Worker | Refused:
    """Take the failure; the task goes back if it may."""
    worker = fence.lock_worker(ctx, op.id)
    report = fingerprint(op)
    if not fence.holds(ctx, worker):
        return _again(ctx, worker, report)
    ending = Ending(WorkerVerb.FAIL, op.error, op.error_code or ErrorCode.FAILED.value, report)
    ended = attempts.end(ctx, worker, ending, Comeback(wait=True, never=not op.retryable))
    return model(Worker, ended)


@handles(ops.CancelWorker)
def cancel_worker(ctx: Context, op: ops.CancelWorker) -> Worker:
    """Stop this attempt; the task may be tried again."""
    worker = fence.lock_worker(ctx, op.id)
    ending = Ending(WorkerVerb.CANCEL, "this attempt was cancelled", ErrorCode.CANCELLED.value)
    return model(Worker, attempts.end(ctx, worker, ending, Comeback(wait=True)))


def pause_now(ctx: Context, worker: Row) -> Row:
    """Free slot, money and lease; the task stays the worker's own."""
    paused = attempts.move(ctx, worker, WorkerVerb.PAUSE)
    attempts.hold_task(ctx, paused)
    return paused


def _resume(ctx: Context, worker: Row) -> Row:
    """Take slot and money again under a fresh epoch; an agent of the account takes the lease up."""
    task = ctx.tx.first(sql_tasks.LOCK_TASK, id=worker.task_id, viewer=None)
    raised = ctx.tx.first(sql_tasks.RAISE_EPOCH, of=worker.task_id)
    day = budget_day(ctx.tx.now)
    account = ctx.tx.first(sql_accounts.LOCK_ACCOUNT, id=worker.account_id, day=day)
    workspace = ctx.tx.first(sql_workspaces.WORKSPACE, id=worker.workspace_id, viewer=None)
    assert task and raised and workspace  # noqa: PT018 - a worker has its task
    if account is None or account.draining:
        raise NotClaimable("its account takes no work any more: release the task instead")
    if not take_slots(ctx, worker.account_id, [worker.workspace_id]):
        raise NotClaimable("all worker slots are taken")
    until = ctx.tx.now + timedelta(seconds=ctx.times.pickup)
    attempts.move(ctx, worker, WorkerVerb.RESUME, raised=raised.epoch, until=until)
    amount = estimate(left(task.max_cost, task.cost_usd), account.max_cost_per_task)
    resumed = ctx.tx.first(sql.RESERVE, of=worker.id, reserved=amount, reserved_day=day)
    has_room = worker.may_overspend or limits.has_room(ctx, account, workspace)
    caps = (account.max_cost_per_day, workspace.max_cost_per_day)
    if not has_room or not ledger.reserve(
        ctx, resumed, (None, None) if worker.may_overspend else caps
    ):
        raise NotClaimable("the budget for today does not allow it")
    return resumed


def _was_just_cancelled(ctx: Context, worker: Row) -> bool:
    return bool(
        worker.error_code == ErrorCode.CANCELLED.value
        and worker.epoch == ctx.principal.epoch
        and ctx.tx.now < worker.lease_expires_at
    )


def _again(ctx: Context, worker: Row, report: str) -> Worker | Refused:
    if worker.epoch == ctx.principal.epoch and worker.ended_as == report:
        return model(Worker, worker)
    return Refused(fence.lost(worker))


def _renew(ctx: Context, worker: Row, op: ops.Heartbeat) -> Row:
    reported: dict[str, Any] = {
        "progress": worker.progress if op.progress is None else op.progress,
        "turns": max(worker.turns, op.turns or 0),
        "session_id": op.session_id or worker.session_id,
    }
    # The later of the two: a clock that steps back must not shorten a lease.
    until = max(worker.lease_expires_at, ctx.tx.now + ctx.times.ttl_delta)
    ctx.tx.run(sql.RENEW, of=worker.id, now=ctx.tx.now, until=until, **reported)
    renewed = worker._replace(lease_expires_at=until, **reported)
    if (renewed.progress, renewed.turns) != (worker.progress, worker.turns):
        ctx.emit_worker(
            EventType.WORKER_PROGRESS, renewed, progress=renewed.progress, turns=renewed.turns
        )
    return renewed


def _beat(ctx: Context, worker: Row, op: ops.Heartbeat, orders: list[Order]) -> Beat:
    lease = Lease(
        epoch=worker.epoch,
        expires_at=worker.lease_expires_at,
        heartbeat_seconds=ctx.times.heartbeat,
    )
    messages = messages_to_agent(ctx, worker.id, op.messages_after) if worker.addressed else []
    return Beat(orders=orders, messages=messages, lease=lease)
