"""The claim: slots, tasks, workers, money, leases, in one transaction and always in this order."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

from buildd import operations as ops
from buildd.broker import attempts, launches, ledger
from buildd.broker._context import Context, handles, model
from buildd.broker.fitting import fitting
from buildd.broker.principals import Principal, PrincipalKind
from buildd.broker.slots import ask_for_slots
from buildd.broker.why import no_work, reason, run_limit, unnamed_run, why_not_me
from buildd.budget import ZERO, budget_day
from buildd.errors import Forbidden, Invalid, NotClaimable, NotFound
from buildd.events import EventType
from buildd.ids import Kind, Secret, digest, new_id, new_secret
from buildd.models import Claim, Claimed, NewLease, Reason, ReasonCode, Task, Worker
from buildd.routing import AccountType
from buildd.states import WORKER, TaskVerb
from buildd.store import Row
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import claims as sql
from buildd.store.sql import tasks as sql_tasks
from buildd.store.sql import workers as sql_workers

_SLUG_LENGTH = 30
_EMPTY = dict.fromkeys(set(sql_workers.WORKER_COLUMNS) - {"reserved"})
_TRIES = 3
"""How often a claim looks again when another one takes the last slot before it."""


@handles(ops.ClaimTasks)
def claim_tasks(ctx: Context, op: ops.ClaimTasks) -> Claim:
    """Take up to as many as asked for; waiting is the waiting room's business, not this one's."""
    acquires = ctx.principal.kind is PrincipalKind.ACQUIRE
    op = launches.own_task(ctx, op) if acquires else op
    account, found = _look(ctx, op, ctx.principal.account_id)
    if op.agent_id is not None and not acquires:
        _see_agent(ctx, op, account)
    taken: list[Claimed] = []
    while True:
        full = _run_is_full(ctx, op.run_id, account)
        more = [] if full else _take_up(ctx, op, found) or _take(ctx, op, account, found)
        taken += more
        wanted = op.max_tasks - len(taken)
        if not (more and wanted):
            break
        found = _search(ctx, op, account.id, _at_once(account, wanted))
    if not taken:
        launches.check_wanted(ctx)
    return Claim(workers=taken, reason=None if taken else full or _why(ctx, op, account))


def _run_is_full(ctx: Context, run_id: str | None, account: Row) -> Reason | None:
    """A count is exact here: every claim of an account holds the account's row."""
    if not _is_limited_by_run(account):
        return None
    if run_id is None:
        return unnamed_run()
    return run_limit(account, ctx.tx.first(sql.RUN, account=account.id, run=run_id))


@handles(ops.CreateWorker)
def create_worker(ctx: Context, op: ops.CreateWorker) -> Claimed:
    """Claim one named task, for the caller or, if an administrator says so, for an account."""
    claim = ops.ClaimTasks(workspace_id=op.workspace_id, task_id=op.task_id)
    account, found = _look(ctx, claim, _for_whom(ctx, op))
    own = replace(ctx, principal=_principal(account))
    full = _run_is_full(ctx, None, account)
    claimed = [] if full else _take_up(own, claim, found) or _take(own, claim, account, found)
    if not claimed:
        reason = full or _why(own, claim, account)
        raise NotClaimable(reason.message, reason=reason.model_dump(mode="json"))
    return claimed[0]


def _for_whom(ctx: Context, op: ops.CreateWorker) -> str:
    if ctx.viewer is None:
        if op.account_id is None:
            raise Invalid.field("accountId", "an administrator says for which account")
        return op.account_id
    if op.account_id not in {None, ctx.viewer}:
        raise Forbidden("an account claims for itself only")
    return ctx.viewer


class _Found(NamedTuple):
    """What there is to take, which is asked for and known when it is called for."""

    unheld: Callable[[], list[Row]]
    """A worker of the account's own that nobody holds."""
    tasks: Callable[[], list[Row]]
    """The first tasks that it may claim."""


def _look(ctx: Context, op: ops.ClaimTasks, account_id: str | None) -> tuple[Row, _Found]:
    """The account, unchanged by others until the commit, and what there is for it.

    Asked together, although of some accounts less is wanted then: most claims save two round trips.
    """
    day = budget_day(ctx.tx.now)
    locked = ctx.tx.ask(sql_accounts.LOCK_ACCOUNT, id=account_id, day=day)
    found = _search(ctx, op, account_id, op.max_tasks)
    for account in locked():
        return account, found
    raise NotFound("there is no such account")


def _search(ctx: Context, op: ops.ClaimTasks, account_id: str | None, wanted: int) -> _Found:
    which = {"account": account_id, "workspace": op.workspace_id, "task": op.task_id}
    tasks = ctx.tx.ask(
        sql.NEXT_TASKS if op.task_id is None else sql.NAMED_TASK,
        **which,
        capabilities=op.capabilities,
        now=ctx.tx.now,
        day=budget_day(ctx.tx.now),
        limit=wanted,
    )
    return _Found(ctx.tx.ask(sql_workers.UNHELD, **which), tasks)


def _principal(account: Row) -> Principal:
    return Principal(PrincipalKind.ACCOUNT, account.id, AccountType(account.type))


def _take(ctx: Context, op: ops.ClaimTasks, account: Row, found: _Found) -> list[Claimed]:
    """The first tasks that there are and that fit together; there may be more."""
    for _ in range(_TRIES):
        fit = fitting(found.tasks())
        tasks = fit[: _at_once(account, len(fit))]
        if not tasks:
            return []
        with suppress(_OutranError), ctx.tx.savepoint():
            engaged = _engage(ctx, op, account, tasks)
            return [
                _hand_over(ctx, op, moved, worker, task.launch_id)
                for task, (moved, worker) in zip(tasks, engaged, strict=True)
            ]
        found = _search(ctx, op, account.id, len(tasks))
    return []


def _is_limited_by_run(account: Row) -> bool:
    return account.max_tasks_per_run is not None or account.max_cost_per_run is not None


def _at_once(account: Row, wanted: int) -> int:
    """One by one, if what a run may still take has to be asked before each."""
    return min(wanted, 1) if _is_limited_by_run(account) else wanted


class _OutranError(Exception):
    """Another claim took the last slot or the last dollar since the predicate was asked."""


def _engage(
    ctx: Context, op: ops.ClaimTasks, account: Row, tasks: list[Row]
) -> list[tuple[Row, Row]]:
    """Take slots, tasks and money; each is a conditional update that no race can pass."""
    slots = ask_for_slots(ctx, account.id, [task.workspace_id for task in tasks])
    ids = [new_id(Kind.WORKER) for _ in tasks]
    moving = [
        attempts.ask_task_to_move(ctx, task, TaskVerb.CLAIM, worker=worker_id, account=account.id)
        for task, worker_id in zip(tasks, ids, strict=True)
    ]
    if not slots():
        raise _OutranError
    moved = [move() for move in moving]
    # As they will be in the table, which adds nothing of its own.
    workers = [
        SimpleNamespace(**_worker(ctx, op, account, each), reserved=task.estimate)
        for task, each in zip(tasks, moved, strict=True)
    ]
    ctx.tx.run_many(sql_workers.INSERT_WORKER, map(vars, workers))
    for task, worker in zip(tasks, workers, strict=True):
        if not ledger.reserve(ctx, worker, (task.account_cap, task.workspace_cap)):
            raise _OutranError
        status = {"status": worker.status, "previousStatus": None}
        ctx.emit_worker(EventType.WORKER_STATUS, worker, **status)
    return list(zip(moved, workers, strict=True))


def _worker(ctx: Context, op: ops.ClaimTasks, account: Row, task: Row) -> dict[str, Any]:
    """The row of a new attempt at a task that was claimed."""
    given = {
        "id": task.worker_id,
        "task_id": task.id,
        "workspace_id": task.workspace_id,
        "account_id": account.id,
        "name": f"{account.name[:180]}-{task.worker_id[-8:]}",
        "branch": branch_of(task.id, task.title, task.epoch),
        "status": WORKER.initial.value,
        "runner": op.runner,
        "agent_id": op.agent_id,
        "run_id": op.run_id,
        "epoch": task.epoch,
        "held": True,
        "may_overspend": False,
        "lease_expires_at": ctx.tx.now + ctx.times.ttl_delta,
        "heartbeat_at": ctx.tx.now,
        "deadline": attempts.deadline(ctx, task),
        "progress": 0,
        "cost_usd": ZERO,
        "reserved_day": budget_day(ctx.tx.now),
        "turns": 0,
        "created_at": ctx.tx.now,
        "updated_at": ctx.tx.now,
    }
    return {**_EMPTY, **given}


def _take_up(ctx: Context, op: ops.ClaimTasks, found: _Found) -> list[Claimed]:
    """A worker of this account that a person started or resumed, and that waits for an agent."""
    unheld = found.unheld()
    if not unheld:
        return []
    [worker] = unheld
    task = ctx.tx.first(sql_tasks.TASK_SEEN, id=worker.task_id, viewer=None)
    held = ctx.tx.first(
        sql_workers.HOLD,
        of=worker.id,
        held=True,
        epoch=worker.epoch,
        agent_id=op.agent_id,
        runner=op.runner,
        deadline=attempts.deadline(ctx, task),
        until=ctx.tx.now + ctx.times.ttl_delta,
        now=ctx.tx.now,
    )
    return [_hand_over(ctx, op, task, held)]


def _hand_over(
    ctx: Context, op: ops.ClaimTasks, task: Row, worker: Row, launch_id: str | None = None
) -> Claimed:
    """Give the lease out; what its agent was launched as, or else the launch of its task, made it."""
    launch_id = ctx.principal.launch_id or launch_id
    if launch_id is not None:
        launches.bind(ctx, launch_id, worker, op.run_id)
    token = new_secret(Secret.LEASE)
    ctx.tx.run(
        sql_workers.INSERT_LEASE,
        digest=digest(token, ctx.pepper),
        worker_id=worker.id,
        epoch=worker.epoch,
    )
    return Claimed(
        id=worker.id,
        task_id=worker.task_id,
        branch=worker.branch,
        task=model(Task, task).model_copy(update={"expires_at": worker.lease_expires_at}),
        worker=model(Worker, worker),
        lease=NewLease(
            token=token,
            epoch=worker.epoch,
            expires_at=worker.lease_expires_at,
            heartbeat_seconds=ctx.times.heartbeat,
        ),
    )


def branch_of(task_id: str, title: str, epoch: int) -> str:
    """The branch of one attempt: only letters, digits and dashes of the title get into it."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower())[:_SLUG_LENGTH].strip("-") or "task"
    return f"buildd/{task_id}-{slug}-{epoch}"


def _see_agent(ctx: Context, op: ops.ClaimTasks, account: Row) -> None:
    ctx.tx.run(
        sql_accounts.SEE_AGENT,
        id=new_id(Kind.AGENT),
        account_id=account.id,
        agent_id=op.agent_id,
        workspace_id=op.workspace_id,
        capabilities=op.capabilities,
        free_slots=op.max_tasks,
        runner=op.runner,
        draining=False,
        last_seen_at=ctx.tx.now,
    )


def _why(ctx: Context, op: ops.ClaimTasks, account: Row) -> Reason:
    """What stood in the way: of a named task exactly, else of any task at all."""
    if op.task_id is not None:
        return why_not_me(ctx, op, op.task_id)
    if account.draining:
        return reason(ReasonCode.DRAINING, account)
    if account.live_workers >= account.max_concurrent_workers:
        return reason(ReasonCode.NO_SLOT, account)
    day = budget_day(ctx.tx.now)
    granted = ctx.tx.first(
        sql_accounts.CLAIM_GRANT, account=account.id, workspace=op.workspace_id, day=day
    )
    if granted is None:
        return reason(ReasonCode.NO_GRANT, account)
    if granted.used_today >= account.max_cost_per_day:
        return reason(ReasonCode.NO_BUDGET, account._replace(used_today=granted.used_today))
    return no_work()
