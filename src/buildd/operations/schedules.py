"""Schedules: templates of tasks with the times at which to make one."""

from __future__ import annotations

from buildd.models import Schedule
from buildd.models._model import Flag, Id, Json, Name
from buildd.operations._operation import (
    Access,
    Deleted,
    Operation,
    Patch,
    create,
    delete,
    get,
    patch,
)
from buildd.operations._paging import Paged


class CreateSchedule(Operation[Schedule]):
    """Have a task made again and again. A missed time is made up for once."""

    http = create("/api/schedules")
    access = Access.MEMBER
    workspace_id: Id
    name: Name
    cron: Name
    timezone: Name = "UTC"
    task: Json
    enabled: Flag = True


class ListSchedules(Paged, Operation[list[Schedule]]):
    """The schedules the caller may see, newest first."""

    http = get("/api/schedules")
    access = Access.MEMBER
    workspace_id: Id | None = None


class GetSchedule(Operation[Schedule]):
    """One schedule."""

    http = get("/api/schedules/{id}")
    access = Access.MEMBER
    id: Id


class UpdateSchedule(Patch[Schedule]):
    """Change a schedule; its next time is worked out anew."""

    http = patch("/api/schedules/{id}")
    access = Access.MEMBER
    id: Id
    name: Name = ""
    cron: Name = ""
    timezone: Name = "UTC"
    task: Json = {}
    enabled: Flag = True


class DeleteSchedule(Operation[Deleted]):
    """Remove a schedule; the tasks it made stay."""

    http = delete("/api/schedules/{id}")
    access = Access.MEMBER
    id: Id
