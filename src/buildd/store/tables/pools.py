"""Rows about capacity on demand: pools, what they launched, and the tokens that launches are given."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from buildd.states import OPEN_LAUNCH, OVER, LaunchStatus
from buildd.store.columns import JSON, Moment, matching, one_of


class PoolRow(SQLModel, table=True):
    """A runner with its limits, and what is known of how it does.

    `retry_at` holds new launches back after `failures` in a row; `halted` does until a person changes
    something. `swept_at` is when its platform was last asked for what nobody knows of.
    """

    __tablename__ = "pool"

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    name: str = Field(unique=True)
    runner: str
    config: Any = Field(sa_type=JSON)
    workspace_id: str | None = None
    capabilities: Any = Field(sa_type=JSON)
    arguments: Any = Field(sa_type=JSON)
    pass_env: Any = Field(sa_type=JSON)
    minimum: int
    maximum: int
    start_timeout_seconds: int
    enabled: bool
    server: str | None = None
    failures: int
    retry_at: datetime | None = Field(sa_type=Moment)
    halted: bool
    last_error: str | None = None
    swept_at: datetime | None = Field(sa_type=Moment)
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class LaunchRow(SQLModel, table=True):
    """One thing that a pool's runner was asked for, written before the first call.

    It refers to its pool, task and worker without a foreign key: what runs somewhere must stay known
    when they are deleted. Whoever acts on it takes a `turn` first, and only the last turn's outcome
    counts. `key_id` is the account key it enrolled for, which ends with it.
    """

    __tablename__ = "launch"
    __table_args__ = (
        one_of("status", LaunchStatus),
        sa.CheckConstraint(
            f"({matching('status', OVER).text}) = (ended_at IS NOT NULL)", name="over_at_a_time"
        ),
        sa.Index(
            "launch_of_open_task",
            "task_id",
            unique=True,
            sqlite_where=matching("status", OPEN_LAUNCH),
            postgresql_where=matching("status", OPEN_LAUNCH),
        ),
        sa.Index(
            "launch_open",
            "pool_id",
            sqlite_where=matching("status", OPEN_LAUNCH),
            postgresql_where=matching("status", OPEN_LAUNCH),
        ),
        sa.Index(
            "launch_open_in_order",
            "id",
            sqlite_where=matching("status", OPEN_LAUNCH),
            postgresql_where=matching("status", OPEN_LAUNCH),
        ),
        sa.Index(
            "launch_over",
            "ended_at",
            sqlite_where=matching("status", OVER),
            postgresql_where=matching("status", OVER),
        ),
        sa.Index("launch_of_pool", "pool_id", "id"),
        sa.Index("launch_of_task", "task_id", "id"),
        sa.Index("launch_of_key", "key_id"),
    )

    id: str = Field(primary_key=True)
    pool_id: str
    account_id: str = Field(foreign_key="account.id")
    workspace_id: str | None = None
    task_id: str | None = None
    epoch: int | None = None
    status: str
    external_id: str | None = None
    url: str | None = None
    realm: str | None = None
    detail: str | None = None
    exit_code: int | None = None
    worker_id: str | None = None
    key_id: str | None = None
    calls: int
    turn: int
    busy_until: datetime | None = Field(sa_type=Moment)
    retry_at: datetime | None = Field(sa_type=Moment)
    unknown_since: datetime | None = Field(sa_type=Moment)
    extended_at: datetime | None = Field(sa_type=Moment)
    stop_reason: str | None = None
    starts_by: datetime = Field(sa_type=Moment)
    created_at: datetime = Field(sa_type=Moment)
    started_at: datetime | None = Field(sa_type=Moment)
    ended_at: datetime | None = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class SingleUseTokenRow(SQLModel, table=True):
    """A token that works once, by its digest. Kept for a while after that, to be able to say so."""

    __tablename__ = "single_use_token"

    digest: str = Field(primary_key=True)
    kind: str
    account_id: str = Field(foreign_key="account.id")
    launch_id: str | None = Field(foreign_key="launch.id", ondelete="CASCADE", index=True)
    expires_at: datetime = Field(sa_type=Moment, index=True)
    used_at: datetime | None = Field(sa_type=Moment)
    created_at: datetime = Field(sa_type=Moment)
