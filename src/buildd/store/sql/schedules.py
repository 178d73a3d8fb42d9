"""Schedules, and which of them are due."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.store.columns import Moment
from buildd.store.sql._parts import NOW, change, locked, matches, page, seen
from buildd.store.statement import Statement
from buildd.store.tables import schedule

INSERT_SCHEDULE = Statement(sa.insert(schedule))
SCHEDULE = Statement(
    sa.select(schedule).where(schedule.c.id == bindparam("id"), seen(schedule.c.workspace_id))
)
LOCK_SCHEDULE = locked(
    sa.select(schedule).where(schedule.c.id == bindparam("id"), seen(schedule.c.workspace_id)),
    schedule,
)
SCHEDULES = page(
    sa.select(schedule).where(
        seen(schedule.c.workspace_id), matches(schedule.c.workspace_id, "workspace")
    ),
    schedule.c.id,
)
CHANGE_SCHEDULE = change(
    schedule,
    ("name", "cron", "timezone", "task", "enabled", "next_run_at", "last_error", "updated_at"),
)
DELETE_SCHEDULE = Statement(
    sa.delete(schedule).where(schedule.c.id == bindparam("of")).returning(schedule.c.id)
)
DUE = Statement(
    sa.select(schedule.c.id)
    .where(schedule.c.enabled, schedule.c.next_run_at <= NOW)
    .order_by(schedule.c.next_run_at)
    .limit(100)
)
# A compare-and-set on the time, so that of several servers exactly one makes the task.
FIRE = Statement(
    sa.update(schedule)
    .where(
        schedule.c.id == bindparam("of"),
        schedule.c.enabled,
        schedule.c.next_run_at == bindparam("was", type_=Moment()),
    )
    .returning(schedule.c.id),
    ("next_run_at", "last_run_at", "last_task_id", "last_error", "enabled"),
)
