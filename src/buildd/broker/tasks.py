"""Tasks: put in, read, changed, called off, taken up again, handed back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from buildd import operations as ops
from buildd.broker import attempts, fence
from buildd.broker._context import Context, check_match, handles, model
from buildd.broker._policy import own
from buildd.broker.attempts import Comeback, Ending
from buildd.broker.idempotency import once
from buildd.budget import ZERO
from buildd.errors import Forbidden, Invalid, NotFound, WrongState
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.models import Task
from buildd.routing import Trust
from buildd.states import (
    CLOSED,
    TASK,
    ErrorCode,
    OnDependencyFailure,
    TaskStatus,
    TaskVerb,
    WorkerVerb,
)
from buildd.store import Row
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import tasks as sql
from buildd.store.sql import workspaces as sql_workspaces

_TEXT = ("title", "description", "context", "external_url")
"""What an agent reads of a task."""


@handles(ops.CreateTask)
def create_task(ctx: Context, op: ops.CreateTask) -> Task:
    """A task, once however often the same request comes."""
    may_create(ctx, op.workspace_id)
    return once(ctx, op, lambda: make_task(ctx, op))


@handles(ops.CreateTasks)
def create_tasks(ctx: Context, op: ops.CreateTasks) -> list[Task]:
    """All of them or none."""
    for workspace_id in dict.fromkeys(new.workspace_id for new in op.tasks):
        may_create(ctx, workspace_id)
    return once(
        ctx, op, lambda: _insert(ctx, [_nth(ctx, n, new) for n, new in enumerate(op.tasks)])
    )


def make_task(ctx: Context, new: ops.NewTask) -> Task:
    """A task, and what it waits for."""
    [made] = _insert(ctx, [_planned(ctx, new)])
    return made


@dataclass(frozen=True)
class _Planned:
    row: dict[str, Any]
    parents: Mapping[str, bool]
    """What it depends on, and whether it has to wait for that."""


def _nth(ctx: Context, n: int, new: ops.NewTask) -> _Planned:
    try:
        return _planned(ctx, new)
    except Invalid as problem:
        raise problem.within(f"tasks.{n}") from None


def _planned(ctx: Context, new: ops.NewTask) -> _Planned:
    if new.source_id is not None:
        _check_source(ctx, new.source_id, new.workspace_id)
    parents = sorted(set(new.depends_on))
    open_parents = {parent: _is_open(ctx, parent, new) for parent in parents}
    row = {
        "id": new_id(Kind.TASK),
        **{name: getattr(new, name) for name in ops.NewTask.model_fields},
        "depends_on": parents,
        "status": TASK.initial.value,
        "open_dependencies": sum(open_parents.values()),
        "attempt": 0,
        "epoch": 0,
        "cost_usd": ZERO,
        "approved_at": None,
        "approved_by": None,
        "worker_id": None,
        "claimed_by": None,
        "claimed_at": None,
        "result": None,
        "error": None,
        "traceparent": ctx.origin.traceparent,
        "created_at": ctx.tx.now,
        "updated_at": ctx.tx.now,
    }
    return _Planned(row, open_parents)


def _insert(ctx: Context, planned: list[_Planned]) -> list[Task]:
    ctx.tx.run_many(sql.INSERT_TASK, (each.row for each in planned))
    ctx.tx.run_many(
        sql.INSERT_DEPENDENCY,
        (
            {"parent_id": parent, "child_id": each.row["id"], "done": not waits}
            for each in planned
            for parent, waits in each.parents.items()
        ),
    )
    for each in planned:
        attempts.announce(ctx, SimpleNamespace(**each.row))
    return [Task.model_validate(each.row) for each in planned]


@handles(ops.GetTask)
def get_task(ctx: Context, op: ops.GetTask) -> Task:
    """One task; an attempt sees its own."""
    if ctx.by_lease:
        own(ctx.principal.task_id, op.id)
    row = ctx.tx.first(sql.TASK_SEEN, id=op.id, viewer=ctx.viewer)
    if row is None:
        raise NotFound("there is no such task")
    return model(Task, row)


@handles(ops.UpdateTask)
def update_task(ctx: Context, op: ops.UpdateTask) -> Task:
    """Change what was given, while nobody works on it and it is not over."""
    row = _lock(ctx, op.id)
    check_match(op, Task, row)
    if TaskStatus(row.status) is not TASK.initial:
        raise WrongState(f"a task that is {row.status} cannot be changed", current=row.status)
    kept = {name: getattr(row, name) for name in op.changeable()}
    given = op.changes()
    if "trust" in given or (row.approved_at is not None and _rewords(row, given)):
        may_create(ctx, row.workspace_id)
    return _change(ctx, row, {**kept, **given, **_approval(row, given)})


def _rewords(row: Row, given: Mapping[str, Any]) -> bool:
    return any(given[name] != getattr(row, name) for name in _TEXT if name in given)


def _approval(row: Row, given: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a change leaves the text approved: somebody vouched for the words, not for the task.

    People who change a text through buildd vouch for it by that, as only those can who may approve;
    what comes with its trust is from where the task comes from.
    """
    other = _rewords(row, given)
    if other and "trust" in given:
        return {"approved_at": None, "approved_by": None}
    return {"approved_at": row.approved_at, "approved_by": row.approved_by}


def _change(ctx: Context, row: Row, fields: Mapping[str, Any]) -> Task:
    """Write a task's fields anew, and tell the feed, whose readers may take it now."""
    ctx.tx.all(sql.CHANGE_TASK, of=row.id, **fields, updated_at=ctx.tx.now)
    changed = _lock(ctx, row.id)
    ctx.emit_task(
        EventType.TASK_UPDATED,
        changed,
        title=changed.title,
        status=changed.status,
        previousStatus=changed.status,
        runnerPreference=changed.runner_preference,
        requiredCapabilities=changed.required_capabilities,
    )
    return model(Task, changed)


@handles(ops.ApproveTask)
def approve_task(ctx: Context, op: ops.ApproveTask) -> Task:
    """Vouch for a task's text as it is now."""
    row = _lock(ctx, op.id)
    may_create(ctx, row.workspace_id)
    if op.updated_at not in {None, row.updated_at}:
        raise WrongState("the task was changed since you read it: read it again")
    return vouch(ctx, row, ctx.principal.name)


def vouch(ctx: Context, row: Row, by: str) -> Task:
    """Note who approved a task; nothing if it needs nobody's approval, or has it."""
    if row.trust != Trust.PUBLIC or row.approved_at is not None:
        return model(Task, row)
    kept = {name: getattr(row, name) for name in ops.UpdateTask.changeable()}
    return _change(ctx, row, {**kept, "approved_at": ctx.tx.now, "approved_by": by})


@handles(ops.DeleteTask)
def delete_task(ctx: Context, op: ops.DeleteTask) -> ops.Deleted:
    """Remove a task that nobody holds and nobody waits for."""
    row = _lock(ctx, op.id)
    may_create(ctx, row.workspace_id)
    if TaskStatus(row.status) is not TaskStatus.COMPLETED and ctx.tx.all(
        sql.CHILDREN, parent=op.id
    ):
        raise WrongState("other tasks wait for this one: cancel it instead", current=row.status)
    if ctx.tx.first(sql.DELETE_TASK, of=op.id) is None:
        raise WrongState(
            f"a task that is {row.status} is held: cancel it first", current=row.status
        )
    ctx.emit_task(EventType.TASK_UPDATED, row, status=row.status, deleted=True)
    return ops.Deleted(id=op.id)


@handles(ops.CancelTask)
def cancel_task(ctx: Context, op: ops.CancelTask) -> Task:
    """Call it off, at once."""
    holder = ctx.tx.first(sql.TASK_SEEN, id=op.id, viewer=ctx.viewer)
    if holder is not None and holder.worker_id is not None:
        fence.lock_worker(ctx, holder.worker_id)  # worker before task: see attempts
    row = _lock(ctx, op.id)
    attempts.cancel_task(ctx, row)
    return model(Task, _lock(ctx, op.id))


@handles(ops.RetryTask)
def retry_task(ctx: Context, op: ops.RetryTask) -> Task:
    """From failed or cancelled back to pending, with all its attempts.

    Refused, as at create, below a parent that failed: nothing would ever release or fail it. The
    parent need not be locked: whoever closes it looks at its children, and waits for this one's lock.
    """
    row = _lock(ctx, op.id)
    for parent in ctx.tx.all(sql.WAITED_FOR, child=op.id):
        if TaskStatus(parent.status) in CLOSED:
            reason = f"it depends on {parent.id}, which is {parent.status}: retry that first"
            raise WrongState(reason, current=row.status)
    if op.max_cost is not None and op.max_cost <= row.cost_usd:
        raise Invalid.field("maxCost", f"must be more than it has cost already: {row.cost_usd}")
    attempts.move_task(ctx, row, TaskVerb.RETRY)
    if op.max_cost is None:
        return model(Task, _lock(ctx, op.id))
    kept = {name: getattr(row, name) for name in ops.UpdateTask.changeable()}
    approval = {"approved_at": row.approved_at, "approved_by": row.approved_by}
    return _change(ctx, _lock(ctx, op.id), {**kept, **approval, "max_cost": op.max_cost})


@handles(ops.ReleaseTask)
def release_task(ctx: Context, op: ops.ReleaseTask) -> Task:
    """Hand it back: by its own attempt, by the account that holds it, or by an administrator."""
    if ctx.by_lease:
        own(ctx.principal.task_id, op.id)
        holder_id = ctx.principal.worker_id
    else:
        seen = ctx.tx.first(sql.TASK_SEEN, id=op.id, viewer=ctx.viewer)
        if seen is None:
            raise NotFound("there is no such task")
        if ctx.viewer is not None and seen.claimed_by not in {None, ctx.viewer}:
            raise Forbidden("only the account that holds a task, or an administrator, releases it")
        if op.reason is not None:
            raise Invalid.field("reason", "is for an agent with its lease token")
        holder_id = seen.worker_id
    if holder_id is None:
        raise WrongState("nobody holds this task")
    hold = fence.under_lease if ctx.by_lease else fence.lock_worker
    worker = hold(ctx, holder_id)
    drained = ctx.by_lease and op.reason == "drain"
    attempts.end(
        ctx,
        worker,
        Ending(WorkerVerb.RELEASE, "handed back", ErrorCode.RELEASED.value),
        Comeback(always=not ctx.by_lease, refund=drained),
    )
    return model(Task, _lock(ctx, op.id))


def _lock(ctx: Context, task_id: str) -> Row:
    row = ctx.tx.first(sql.LOCK_TASK, id=task_id, viewer=ctx.viewer)
    if row is None:
        raise NotFound("there is no such task")
    return row


def may_create(ctx: Context, workspace_id: str) -> None:
    """Raises `NotFound` or `Forbidden` unless the caller may put tasks into the workspace."""
    if ctx.tx.first(sql_workspaces.WORKSPACE, id=workspace_id, viewer=ctx.viewer) is None:
        raise NotFound("there is no such workspace")
    if ctx.viewer is None:
        return
    grant = ctx.tx.first(sql_accounts.GRANT, account=ctx.viewer, workspace=workspace_id)
    if grant is None or not grant.can_create:
        raise Forbidden("this account has no canCreate grant in the workspace")


def _check_source(ctx: Context, source_id: str, workspace_id: str) -> None:
    source = ctx.tx.first(sql_workspaces.SOURCE, id=source_id)
    if source is None or source.workspace_id != workspace_id:
        raise Invalid.field("sourceId", "is not a source of this workspace")


def _is_open(ctx: Context, parent: str, new: ops.NewTask) -> bool:
    """Whether a new task waits for this parent, as one that was there before would."""
    row = ctx.tx.first(sql.LOCK_PARENT, id=parent, workspace=new.workspace_id)
    if row is None:
        raise Invalid.field("dependsOn", f"{parent} is not a task of this workspace")
    status = TaskStatus(row.status)
    fails_too = new.on_dependency_failure is OnDependencyFailure.FAIL
    if status in CLOSED - {TaskStatus.COMPLETED} and fails_too:
        raise Invalid.field("dependsOn", f"{parent} is {row.status}: retry it first")
    return status not in CLOSED
