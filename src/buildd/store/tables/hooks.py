"""Rows about telling others: hooks, and the messages that are to be sent or were."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from buildd.states import DONE_WITH, OPEN_DELIVERY, DeliveryStatus
from buildd.store.columns import JSON, Moment, matching, one_of
from buildd.telling import TargetKind


class HookRow(SQLModel, table=True):
    """Where to tell what. Its secret follows from its id and `generation`, and is not kept.

    It is told of what came after `since_seq`.
    """

    __tablename__ = "hook"

    id: str = Field(primary_key=True)
    workspace_id: str | None = Field(foreign_key="workspace.id", ondelete="CASCADE", index=True)
    url: str
    types: Any = Field(sa_type=JSON)
    active: bool
    disabled_reason: str | None = None
    failing_since: datetime | None = Field(sa_type=Moment)
    last_error: str | None = None
    generation: int
    overlap_until: datetime | None = Field(sa_type=Moment)
    since_seq: int = Field(sa_type=sa.BigInteger)
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class DeliveryRow(SQLModel, table=True):
    """One message to one target, which its sender finds by `kind` and `target_id`.

    Whoever sends it takes a `turn` first, until `due_at`, and only the last turn's outcome counts.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        one_of("kind", TargetKind),
        one_of("status", DeliveryStatus),
        sa.CheckConstraint(
            f"({matching('status', DONE_WITH).text}) = (ended_at IS NOT NULL)",
            name="over_at_a_time",
        ),
        sa.Index(
            "delivery_due",
            "due_at",
            sqlite_where=matching("status", OPEN_DELIVERY),
            postgresql_where=matching("status", OPEN_DELIVERY),
        ),
        sa.Index(
            "delivery_over",
            "ended_at",
            sqlite_where=matching("status", DONE_WITH),
            postgresql_where=matching("status", DONE_WITH),
        ),
        sa.Index("delivery_of_target", "target_id", "id"),
    )

    id: str = Field(primary_key=True)
    kind: str
    target_id: str
    type: str
    event_seq: int | None = Field(sa_type=sa.BigInteger)
    body: str
    status: str
    attempts: int
    turn: int
    due_at: datetime | None = Field(sa_type=Moment)
    response_status: int | None = None
    error: str | None = None
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)
    ended_at: datetime | None = Field(sa_type=Moment)
