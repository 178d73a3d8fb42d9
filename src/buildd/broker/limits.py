"""Limits that a run meets while it runs: hard ones stop it, the day's budget asks a person.

A task's `maxCost` and an account's `maxCostPerRun` are hard: the heartbeat orders the agent to stop.
The budget of a day is soft for what already runs: the worker is paused with a question, and goes on
or is given back as a person answers.
"""

from __future__ import annotations

from decimal import Decimal

from buildd.broker import attempts
from buildd.broker._context import Context, jsonable
from buildd.broker.attempts import Comeback, Ending
from buildd.budget import ZERO, budget_day
from buildd.errors import Invalid
from buildd.events import EventType
from buildd.models import Order, QuestionType, WaitingFor
from buildd.states import ErrorCode, WorkerStatus, WorkerVerb
from buildd.store import Row
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import claims as sql_claims
from buildd.store.sql import workers as sql
from buildd.store.sql import workspaces as sql_workspaces

GO_ON, STOP = "go on", "stop"


def orders(ctx: Context, worker: Row) -> list[Order]:
    """What the holder of a lease must be told, by a row of `LOCK_BEATING`."""
    found = [Order.PAUSE] if worker.pause_requested_at else []
    if _hard_limit(ctx, worker):
        found.append(Order.BUDGET_EXHAUSTED)
    if worker.drained:
        found.append(Order.DRAIN)
    return found


def ask_if_over(ctx: Context, worker: Row) -> Row:
    """Pause a worker with a question if a budget of the day is used up; it may be asked only once."""
    whose = None if worker.waiting_for else _over(ctx, worker)
    if whose is None:
        return worker
    question = jsonable(
        WaitingFor(
            type=QuestionType.CONFIRMATION,
            prompt=f"The {whose} for today is used up. Go on?",
            options=[GO_ON, STOP],
            asked_at=ctx.tx.now,
            code=ErrorCode.BUDGET_EXHAUSTED,
        )
    )
    if not ctx.tx.touch(sql.ASK_ABOUT_BUDGET, of=worker.id, question=question, now=ctx.tx.now):
        return worker
    ctx.emit_worker(EventType.WORKER_WAITING, worker, waitingFor=question)
    return worker._replace(waiting_for=question, pause_requested_at=ctx.tx.now)


def has_room(ctx: Context, account: Row, workspace: Row) -> bool:
    """Whether something is left for today of what the account and the workspace may spend."""
    cap = workspace.max_cost_per_day
    of_workspace = cap is None or _used(ctx, workspace.id) < cap
    return bool(account.used_today < account.max_cost_per_day and of_workspace)


def _over(ctx: Context, worker: Row) -> str | None:
    """Which budget is exceeded, in words."""
    day = budget_day(ctx.tx.now)
    account = ctx.tx.first(sql_accounts.ACCOUNT, id=worker.account_id, day=day)
    if account is not None and account.used_today > account.max_cost_per_day:
        return f"account's budget of ${account.max_cost_per_day}"
    workspace = ctx.tx.first(sql_workspaces.WORKSPACE, id=worker.workspace_id, viewer=None)
    cap = None if workspace is None else workspace.max_cost_per_day
    if cap is not None and _used(ctx, worker.workspace_id) > cap:
        return f"workspace's budget of ${cap}"
    return None


def _used(ctx: Context, owner: str) -> Decimal:
    row = ctx.tx.first(sql_claims.USED_TODAY, owner=owner, day=budget_day(ctx.tx.now))
    used: Decimal = ZERO if row is None else row.used
    return used


def is_asked(worker: Row) -> bool:
    """Whether the server itself waits for a person's word about this worker."""
    code = (worker.waiting_for or {}).get("code")
    return bool(code == ErrorCode.BUDGET_EXHAUSTED)


def answer(ctx: Context, worker: Row, content: str) -> Row:
    """Let it go on over the budget, or give its task back."""
    said = content.strip().lower()
    if said == GO_ON:
        return _allow(ctx, worker)
    if said != STOP:
        raise Invalid.field("content", f"must be {GO_ON!r} or {STOP!r}")
    code = ErrorCode.BUDGET_EXHAUSTED.value
    ending = Ending(WorkerVerb.CANCEL, "stopped at the day's budget", code)
    return attempts.end(ctx, worker, ending, Comeback(always=True))


def _allow(ctx: Context, worker: Row) -> Row:
    allowed = ctx.tx.first(sql.ALLOW_OVERSPENDING, of=worker.id)
    assert allowed is not None
    if WorkerStatus(allowed.status) is not WorkerStatus.PAUSED:
        # For whoever shows the question; of one that is paused they hear as it is resumed.
        told = {"status": allowed.status, "previousStatus": worker.status}
        ctx.emit_worker(EventType.WORKER_STATUS, allowed, **told)
    return allowed


def _hard_limit(ctx: Context, worker: Row) -> bool:
    if worker.task_limit is not None and worker.task_cost > worker.task_limit:
        return True
    if worker.run_id is None or worker.run_limit is None:
        return False
    run = ctx.tx.first(sql_claims.RUN, account=worker.account_id, run=worker.run_id)
    return bool(run and run.used > worker.run_limit)
