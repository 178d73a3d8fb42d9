"""Tasks that come again."""

from __future__ import annotations

from buildd.models._model import Flag, Id, Json, Model, Name, Text, Time


class Schedule(Model):
    """A task's template, and the times at which to make one of it."""

    id: Id
    workspace_id: Id
    name: Name
    cron: Name
    """Five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."""
    timezone: Name = "UTC"
    task: Json
    """The fields of the tasks it makes, as `POST /api/tasks` takes them, without the workspace."""
    enabled: Flag = True
    next_run_at: Time | None = None
    last_run_at: Time | None = None
    last_task_id: Id | None = None
    last_error: Text | None = None
    """Why it could make no task the last time, and was disabled; None again once it is changed."""
    created_at: Time
    updated_at: Time
