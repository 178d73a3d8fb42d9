"""Rows about the work: workspaces, sources, tasks, what they wait for, workers and their leases."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from buildd.routing import RunnerPreference, Trust
from buildd.states import CLOSED, ENDED, HELD, HOLDING, LIVE, TaskStatus, WorkerStatus
from buildd.store.columns import JSON, Moment, Money, matching, one_of


class WorkspaceRow(SQLModel, table=True):
    """A workspace. `live_workers` counts as the account's does."""

    __tablename__ = "workspace"
    __table_args__ = (sa.CheckConstraint("live_workers >= 0", name="live_workers_counted"),)

    id: str = Field(primary_key=True)
    name: str
    repo: str | None = None
    local_path: str | None = None
    memory: Any = Field(sa_type=JSON)
    max_concurrent_workers: int | None = None
    max_cost_per_day: Decimal | None = Field(sa_type=Money)
    live_workers: int
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class SourceRow(SQLModel, table=True):
    """Where tasks come from. Its secret follows from the generation; the one before may still hold."""

    __tablename__ = "source"

    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id", ondelete="CASCADE", index=True)
    type: str
    name: str
    config: Any = Field(sa_type=JSON)
    secret_generation: int
    secret_overlap: bool
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class TaskRow(SQLModel, table=True):
    """A task. `worker_id` is its holder; `epoch` only grows; `open_dependencies` counts parents not done."""

    __tablename__ = "task"
    __table_args__ = (
        one_of("status", TaskStatus),
        one_of("runner_preference", RunnerPreference),
        one_of("trust", Trust),
        sa.CheckConstraint("open_dependencies >= 0", name="open_dependencies_counted"),
        sa.CheckConstraint(
            f"({matching('status', HELD).text}) = (worker_id IS NOT NULL)", name="held_by_a_worker"
        ),
        sa.UniqueConstraint("source_id", "external_id"),
        sa.Index(
            "task_claimable",
            sa.text("priority DESC"),
            "id",
            sqlite_where=sa.text("status = 'pending' AND open_dependencies = 0"),
            postgresql_where=sa.text("status = 'pending' AND open_dependencies = 0"),
        ),
        sa.Index(
            "task_due",
            "not_before",
            sqlite_where=sa.text("status = 'pending' AND not_before IS NOT NULL"),
            postgresql_where=sa.text("status = 'pending' AND not_before IS NOT NULL"),
        ),
        sa.Index("task_of_workspace", "workspace_id", "id"),
        # Lists by status are in its order, and counts need nothing else.
        sa.Index("task_of_status", "status", "id", "workspace_id"),
        sa.Index(
            "task_closed",
            "updated_at",
            sqlite_where=matching("status", CLOSED),
            postgresql_where=matching("status", CLOSED),
        ),
    )

    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id", ondelete="CASCADE")
    source_id: str | None = Field(foreign_key="source.id", ondelete="SET NULL")
    external_id: str | None = None
    external_url: str | None = None
    title: str
    description: str | None = None
    context: Any = Field(sa_type=JSON)
    status: str
    priority: int
    runner_preference: str
    required_capabilities: Any = Field(sa_type=JSON)
    depends_on: Any = Field(sa_type=JSON)
    open_dependencies: int
    not_before: datetime | None = Field(sa_type=Moment)
    max_attempts: int
    attempt: int
    epoch: int
    max_cost: Decimal | None = Field(sa_type=Money)
    cost_usd: Decimal = Field(sa_type=Money)
    on_dependency_failure: str
    timeout_seconds: int | None = None
    trust: str
    approved_at: datetime | None = Field(sa_type=Moment)
    approved_by: str | None = None
    worker_id: str | None = None
    claimed_by: str | None = None
    claimed_at: datetime | None = Field(sa_type=Moment)
    result: Any = Field(sa_type=JSON, nullable=True)
    error: str | None = None
    traceparent: str | None = None
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class ScheduleRow(SQLModel, table=True):
    """A task's template with the times at which to make one of it."""

    __tablename__ = "schedule"
    __table_args__ = (
        sa.Index(
            "schedule_due",
            "next_run_at",
            sqlite_where=sa.text("enabled"),
            postgresql_where=sa.text("enabled"),
        ),
    )

    id: str = Field(primary_key=True)
    workspace_id: str = Field(foreign_key="workspace.id", ondelete="CASCADE", index=True)
    name: str
    cron: str
    timezone: str
    task: Any = Field(sa_type=JSON)
    enabled: bool
    next_run_at: datetime | None = Field(sa_type=Moment)
    last_run_at: datetime | None = Field(sa_type=Moment)
    last_task_id: str | None = None
    last_error: str | None = None
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class DependencyRow(SQLModel, table=True):
    """A child task that waits for a parent."""

    __tablename__ = "task_dependency"

    parent_id: str = Field(primary_key=True, foreign_key="task.id", ondelete="CASCADE")
    child_id: str = Field(primary_key=True, foreign_key="task.id", ondelete="CASCADE", index=True)
    done: bool
    """Whether the child no longer waits for this parent."""


class WorkerRow(SQLModel, table=True):
    """One attempt, with its lease and what it has reserved.

    `held` says whether some agent has the token of the present epoch: a worker that a person resumed
    waits, starting and not held, for an agent to take it up. `ended_as` remembers the terminal report,
    so that the same report may be repeated.
    """

    __tablename__ = "worker"
    __table_args__ = (
        one_of("status", WorkerStatus),
        sa.CheckConstraint(
            f"({matching('status', ENDED).text}) = (completed_at IS NOT NULL)",
            name="ended_at_a_time",
        ),
        sa.Index(
            "worker_holding",
            "task_id",
            unique=True,
            sqlite_where=matching("status", HOLDING),
            postgresql_where=matching("status", HOLDING),
        ),
        sa.Index(
            "worker_leased",
            "lease_expires_at",
            sqlite_where=matching("status", LIVE),
            postgresql_where=matching("status", LIVE),
        ),
        sa.Index(
            "worker_timed",
            "deadline",
            sqlite_where=matching("status", LIVE),
            postgresql_where=matching("status", LIVE),
        ),
        sa.Index(
            "worker_to_take_up",
            "account_id",
            "id",
            sqlite_where=sa.text("status = 'starting' AND held = 0"),
            postgresql_where=sa.text("status = 'starting' AND NOT held"),
        ),
        sa.Index("worker_of_run", "account_id", "run_id"),
        sa.Index("worker_of_task", "task_id", "id"),
        sa.Index("worker_of_account", "account_id", "id"),
        sa.Index("worker_of_workspace", "workspace_id", "id"),
    )

    id: str = Field(primary_key=True)
    task_id: str = Field(foreign_key="task.id", ondelete="CASCADE")
    workspace_id: str = Field(foreign_key="workspace.id", ondelete="CASCADE")
    account_id: str = Field(foreign_key="account.id")
    name: str
    branch: str
    status: str
    runner: str
    agent_id: str | None = None
    run_id: str | None = None
    epoch: int
    held: bool
    lease_expires_at: datetime = Field(sa_type=Moment)
    heartbeat_at: datetime | None = Field(sa_type=Moment)
    deadline: datetime | None = Field(sa_type=Moment)
    may_overspend: bool
    pause_requested_at: datetime | None = Field(sa_type=Moment)
    progress: int
    waiting_for: Any = Field(sa_type=JSON, nullable=True)
    cost_usd: Decimal = Field(sa_type=Money)
    reserved: Decimal = Field(sa_type=Money)
    reserved_day: date | None = None
    turns: int
    session_id: str | None = None
    started_at: datetime | None = Field(sa_type=Moment)
    completed_at: datetime | None = Field(sa_type=Moment)
    error: str | None = None
    error_code: str | None = None
    ended_as: str | None = None
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class LeaseRow(SQLModel, table=True):
    """A lease token by its digest. Kept after the lease ends: its holder must hear that it is over."""

    __tablename__ = "lease"

    digest: str = Field(primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", ondelete="CASCADE", index=True)
    epoch: int
