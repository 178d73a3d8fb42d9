"""Why a task waits: the claim's own predicate, asked condition by condition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from buildd import operations as ops
from buildd.broker._context import Context, handles, model
from buildd.budget import budget_day
from buildd.errors import NotFound
from buildd.models import AccountWhy, Launch, PoolWhy, Reason, ReasonCode, Task, Why
from buildd.store import Row
from buildd.store.sql import claims as sql
from buildd.store.sql import pools as sql_pools
from buildd.store.sql import tasks as sql_tasks

AGENT_LIVES = timedelta(minutes=2)
"""For how long an agent that does not work counts as there: a claim may wait for half of it."""

_SAID = {
    ReasonCode.NOT_PENDING: "the task is not pending",
    ReasonCode.NOT_READY: "it depends on tasks that are not completed",
    ReasonCode.NOT_YET: "its notBefore is still to come",
    ReasonCode.NOT_APPROVED: "anybody may have written it: a person must approve it first",
    ReasonCode.NO_GRANT: "the account has no canClaim grant in the workspace",
    ReasonCode.WRONG_ROUTE: "its runnerPreference is for another type of account",
    ReasonCode.MISSING_CAPABILITIES: "no live agent of this account has all required capabilities",
    ReasonCode.DRAINING: "the account is draining",
    ReasonCode.NO_SLOT: "all of the account's worker slots are taken",
    ReasonCode.NO_WORKSPACE_SLOT: "all of the workspace's worker slots are taken",
    ReasonCode.NO_BUDGET: "the account's budget for today does not allow it",
    ReasonCode.NO_WORKSPACE_BUDGET: "the workspace's budget for today does not allow it",
}

_SAID_OF_POOL = {
    **_SAID,
    ReasonCode.MISSING_CAPABILITIES: "the pool's agents do not have all required capabilities",
    ReasonCode.NO_SLOT: "the account's worker slots are taken, or will be by what is starting",
    ReasonCode.POOL_DISABLED: "the pool is disabled",
    ReasonCode.POOL_HALTED: "the pool met an error that trying again does not cure",
    ReasonCode.POOL_WAITS: "the pool's last launches took no work",
    ReasonCode.POOL_FULL: "the pool has as many launches as it may",
}

_FIGURES = {
    ReasonCode.NO_SLOT: ("max_concurrent_workers", "live_workers"),
    ReasonCode.NO_WORKSPACE_SLOT: ("workspace_slots", "workspace_live"),
    ReasonCode.NO_BUDGET: ("max_cost_per_day", "used_today"),
    ReasonCode.NO_WORKSPACE_BUDGET: ("workspace_cap", "workspace_used"),
    ReasonCode.POOL_FULL: ("maximum", "launches"),
}
"""Which columns hold the limit that was met, and how much of it is used."""

_NAMED_AT_MOST = 3


@handles(ops.WhyTask)
def why_task(ctx: Context, op: ops.WhyTask) -> Why:
    """For every account and pool (or, for an account, itself and its own) what is not met."""
    task = ctx.tx.first(sql_tasks.TASK_SEEN, id=op.id, viewer=ctx.viewer)
    if task is None:
        raise NotFound("there is no such task")
    rows = ctx.tx.all(
        sql.WHY,
        task=op.id,
        account=ctx.viewer,
        now=ctx.tx.now,
        day=budget_day(ctx.tx.now),
        alive=ctx.tx.now - AGENT_LIVES,
    )
    accounts = [
        AccountWhy(
            account_id=row.account_id, name=row.name, type=row.type, unmet=_unmet(ctx, op.id, row)
        )
        for row in rows
    ]
    return Why(
        task_id=op.id,
        status=Task.model_validate(task).status,
        claimable=any(not account.unmet for account in accounts),
        accounts=accounts,
        pools=_pools(ctx, op.id),
    )


def _pools(ctx: Context, task_id: str) -> list[PoolWhy]:
    about = {"task": task_id, "account": ctx.viewer}
    rows = ctx.tx.all(sql.WHY_POOLS, **about, now=ctx.tx.now, day=budget_day(ctx.tx.now))
    launch = ctx.tx.first(sql_pools.LAUNCH_OF_TASK, task=task_id) if rows else None
    return [
        PoolWhy(
            pool_id=row.id,
            name=row.name,
            runner=row.runner,
            unmet=[_of_pool(reason, row) for reason in _unmet(ctx, task_id, row, _SAID_OF_POOL)],
            launch=model(Launch, launch) if launch and launch.pool_id == row.id else None,
        )
        for row in rows
    ]


def _of_pool(unmet: Reason, row: Row) -> Reason:
    """The reason with what the pool knows more about it."""
    known = {
        ReasonCode.POOL_HALTED: f": {row.last_error}",
        ReasonCode.POOL_WAITS: f": {row.last_error}; the next one may start at {row.retry_at}",
    }
    return unmet.model_copy(update={"message": unmet.message + known.get(unmet.code, "")})


def why_not_me(ctx: Context, op: ops.ClaimTasks, task_id: str) -> Reason:
    """The first thing that keeps the caller's account from a named task."""
    if ctx.tx.first(sql_tasks.TASK_SEEN, id=task_id, viewer=ctx.viewer) is None:
        raise NotFound("there is no such task")
    row = ctx.tx.first(
        sql.WHY_NOT_ME,
        task=task_id,
        account=ctx.principal.account_id,
        capabilities=op.capabilities,
        now=ctx.tx.now,
        day=budget_day(ctx.tx.now),
    )
    unmet = [] if row is None else _unmet(ctx, task_id, row)
    return unmet[0] if unmet else no_work()


def no_work() -> Reason:
    """There is nothing to do for the account."""
    return Reason(code=ReasonCode.NO_WORK, message="no task is claimable by this account now")


def unnamed_run() -> Reason:
    """An account with limits per run claims for a run that it names."""
    message = "the account has limits per run: the claim must name its run with runId"
    return Reason(code=ReasonCode.RUN_LIMIT, message=message)


def run_limit(account: Row, run: Row) -> Reason | None:
    """Why a run of an `action` account takes no more, or None if it may."""
    limits = (
        (account.max_tasks_per_run, run.tasks, "the run has taken as many tasks as it may"),
        (account.max_cost_per_run, run.used, "the run's budget is used up"),
    )
    for limit, current, message in limits:
        if limit is not None and current >= limit:
            return Reason(
                code=ReasonCode.RUN_LIMIT,
                message=message,
                limit=float(limit),
                current=float(current),
            )
    return None


def _unmet(
    ctx: Context, task_id: str, row: Row, said: Mapping[ReasonCode, str] = _SAID
) -> list[Reason]:
    unmet = (code for code in said if not getattr(row, code.value))
    return [
        _not_ready(ctx, task_id) if code is ReasonCode.NOT_READY else reason(code, row, said)
        for code in unmet
    ]


def _not_ready(ctx: Context, task_id: str) -> Reason:
    """Which tasks it waits for, and how they stand."""
    awaited = ctx.tx.all(sql_tasks.WAITED_FOR, child=task_id)
    named = [f"{parent.id} ({parent.status})" for parent in awaited[:_NAMED_AT_MOST]]
    if len(awaited) > _NAMED_AT_MOST:
        named.append(f"{len(awaited) - _NAMED_AT_MOST} more")
    message = f"{_SAID[ReasonCode.NOT_READY]}: {', '.join(named)}"
    return Reason(code=ReasonCode.NOT_READY, message=message)


def reason(code: ReasonCode, row: Row, said: Mapping[ReasonCode, str] = _SAID) -> Reason:
    """A reason with the limit that was met, from a row that has the figures."""
    if code not in _FIGURES:
        return Reason(code=code, message=said[code])
    limit, current = (float(getattr(row, name)) for name in _FIGURES[code])
    return Reason(code=code, message=said[code], limit=limit, current=current)
