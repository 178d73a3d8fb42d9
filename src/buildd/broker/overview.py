"""What people look at: tasks as they look for them, how many there are, and what was spent."""

from __future__ import annotations

from datetime import date
from typing import Any

from buildd import operations as ops
from buildd.broker._context import Context, handles, model
from buildd.budget import budget_day
from buildd.models import Spend, Task, TaskCounts
from buildd.store.sql import tasks as sql
from buildd.store.sql.spending import spending

_DAYS = 30


@handles(ops.ListTasks)
def list_tasks(ctx: Context, op: ops.ListTasks) -> list[Task]:
    """A page of the tasks the caller may see."""
    chosen = _chosen(op)
    if op.status is not None:
        chosen["status"] = op.status
    rows = ctx.tx.all(
        sql.tasks(frozenset(chosen)),
        viewer=ctx.viewer,
        cursor=op.cursor,
        limit=op.limit,
        **chosen,
    )
    return [model(Task, row) for row in rows]


@handles(ops.CountTasks)
def count_tasks(ctx: Context, op: ops.CountTasks) -> TaskCounts:
    """The tasks the caller may see, by their states."""
    chosen = _chosen(op)
    filters = frozenset(chosen)
    counts = dict(ctx.tx.all(sql.task_counts(filters), viewer=ctx.viewer, **chosen))
    people = ctx.tx.first(sql.people_wanted(filters), viewer=ctx.viewer, **chosen)
    assert people
    return TaskCounts(**counts, **people._asdict())


@handles(ops.ListSpend)
def list_spend(ctx: Context, op: ops.ListSpend) -> list[Spend]:
    """Sums of the ledger; none where nothing was spent."""
    until = op.until or budget_day(ctx.tx.now)
    since = op.since or date.fromordinal(max(1, until.toordinal() - _DAYS + 1))
    rows = ctx.tx.all(
        spending(frozenset(op.by)),
        viewer=ctx.viewer,
        since=since,
        until=until,
        workspace=op.workspace_id,
        account=op.account_id,
        task=op.task_id,
        limit=op.limit,
    )
    return [model(Spend, row) for row in rows if row.attempts]


def _chosen(op: ops.TaskFilter) -> dict[str, Any]:
    """The filters that are given, by the names that the statements have for them."""
    given: dict[str, Any] = {
        "workspace": op.workspace_id,
        "source": op.source_id,
        "preference": op.runner_preference,
        "claimed_by": op.claimed_by,
        "text": op.text,
        "ids": op.ids,
    }
    if op.needs_approval is not None:
        given["unapproved" if op.needs_approval else "approved"] = True
    return {name: value for name, value in given.items() if value is not None}
