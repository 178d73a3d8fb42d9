"""Schedules: kept, and fired by the reaper's pass. A missed time is made up for once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from buildd import operations as ops
from buildd.broker._context import Context, check_match, handles, model
from buildd.broker.tasks import make_task, may_create
from buildd.errors import BuilddError, Invalid, NotFound
from buildd.ids import Kind, new_id
from buildd.models import Schedule
from buildd.store import Row
from buildd.store.sql import schedules as sql
from buildd.wire import invalid

if TYPE_CHECKING:
    from cronsim import CronSim

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}


@handles(ops.CreateSchedule)
def create_schedule(ctx: Context, op: ops.CreateSchedule) -> Schedule:
    """A schedule, with its first time."""
    may_create(ctx, op.workspace_id)
    template(op.workspace_id, op.task)
    first = next_time(op.cron, op.timezone, ctx.tx.now)
    row = {
        "id": new_id(Kind.SCHEDULE),
        **op.fields(),
        "next_run_at": first if op.enabled else None,
        "last_run_at": None,
        "last_task_id": None,
        "last_error": None,
        "created_at": ctx.tx.now,
        "updated_at": ctx.tx.now,
    }
    ctx.tx.run(sql.INSERT_SCHEDULE, **row)
    return Schedule.model_validate(row)


@handles(ops.ListSchedules)
def list_schedules(ctx: Context, op: ops.ListSchedules) -> list[Schedule]:
    """A page of the schedules the caller may see."""
    rows = ctx.tx.all(
        sql.SCHEDULES,
        viewer=ctx.viewer,
        workspace=op.workspace_id,
        cursor=op.cursor,
        limit=op.limit,
    )
    return [model(Schedule, row) for row in rows]


@handles(ops.GetSchedule)
def get_schedule(ctx: Context, op: ops.GetSchedule) -> Schedule:
    """One schedule."""
    row = ctx.tx.first(sql.SCHEDULE, id=op.id, viewer=ctx.viewer)
    if row is None:
        raise NotFound("there is no such schedule")
    return model(Schedule, row)


@handles(ops.UpdateSchedule)
def update_schedule(ctx: Context, op: ops.UpdateSchedule) -> Schedule:
    """Change what was given; the next time is worked out from now on."""
    row = _lock(ctx, op.id)
    check_match(op, Schedule, row)
    kept = {name: getattr(row, name) for name in op.changeable()}
    new: dict[str, Any] = {**kept, **op.changes()}
    template(row.workspace_id, new["task"])
    following = next_time(new["cron"], new["timezone"], ctx.tx.now)
    changed = ctx.tx.first(
        sql.CHANGE_SCHEDULE,
        of=op.id,
        **new,
        next_run_at=following if new["enabled"] else None,
        last_error=None,
        updated_at=ctx.tx.now,
    )
    return model(Schedule, changed)


@handles(ops.DeleteSchedule)
def delete_schedule(ctx: Context, op: ops.DeleteSchedule) -> ops.Deleted:
    """Remove it; its tasks stay."""
    _lock(ctx, op.id)
    ctx.tx.all(sql.DELETE_SCHEDULE, of=op.id)
    return ops.Deleted(id=op.id)


def fire(ctx: Context, schedule_id: str) -> bool:
    """Make the task of a schedule that is due, and set its next time; False if another server did."""
    row = ctx.tx.first(sql.LOCK_SCHEDULE, id=schedule_id, viewer=None)
    if row is None or not row.enabled or row.next_run_at is None or row.next_run_at > ctx.tx.now:
        return False
    try:
        following = next_time(row.cron, row.timezone, ctx.tx.now)
        task_id, problem = make_task(ctx, template(row.workspace_id, row.task)).id, None
    except BuilddError as error:
        # What it needs has gone; it says so to whoever looks, but does not try for ever.
        following, task_id, problem = None, row.last_task_id, str(error)
    fired = ctx.tx.first(
        sql.FIRE,
        of=row.id,
        was=row.next_run_at,
        next_run_at=following,
        last_run_at=ctx.tx.now,
        last_task_id=task_id,
        last_error=problem,
        enabled=following is not None,
    )
    return fired is not None


def next_time(cron: str, timezone: str, after: datetime) -> datetime | None:
    """The first time after a moment. Raises `Invalid` that names the wrong field."""
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid.field("timezone", "is not a time zone such as Europe/Berlin") from None
    moment = next(_times(cron, after.astimezone(zone)), None)
    return None if moment is None else moment.astimezone(after.tzinfo)


def template(workspace_id: str, fields: dict[str, Any]) -> ops.BatchedTask:
    """A schedule's task, checked as if it were created now. Raises `Invalid` under `task`."""
    try:
        task = ops.BatchedTask.model_validate(
            {**fields, "workspaceId": workspace_id}, by_alias=True, by_name=False
        )
    except ValidationError as problem:
        raise invalid(problem).within("task") from None
    if task.source_id is not None and task.external_id is not None:
        raise Invalid.field("task.externalId", "of a source is for one task, not for each")
    return task


def _times(cron: str, after: datetime) -> CronSim:
    from cronsim import CronSim, CronSimError

    try:
        return CronSim(_NAMED.get(cron, cron), after)
    except CronSimError as problem:
        raise Invalid.field("cron", f"is not a cron expression: {problem}") from None


def _lock(ctx: Context, schedule_id: str) -> Row:
    row = ctx.tx.first(sql.LOCK_SCHEDULE, id=schedule_id, viewer=ctx.viewer)
    if row is None:
        raise NotFound("there is no such schedule")
    may_create(ctx, row.workspace_id)
    return row
