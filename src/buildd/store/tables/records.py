"""Rows about what attempts leave behind, and the broker's own: events, counters and settings."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from buildd.models import ArtifactType, Role
from buildd.store.columns import JSON, Moment, Money, one_of


class ArtifactRow(SQLModel, table=True):
    """Something a worker made; the bytes of a file are elsewhere, under their digest."""

    __tablename__ = "artifact"
    __table_args__ = (one_of("type", ArtifactType),)

    id: str = Field(primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", ondelete="CASCADE", index=True)
    type: str
    title: str | None = None
    content: str | None = None
    details: Any = Field(sa_column=sa.Column("metadata", JSON, nullable=False))
    filename: str | None = None
    mime_type: str | None = None
    size: int | None = None
    digest: str | None = Field(foreign_key="blob.digest", index=True)
    created_at: datetime = Field(sa_type=Moment)


class CommentRow(SQLModel, table=True):
    """A remark on an artifact or a worker."""

    __tablename__ = "comment"

    id: str = Field(primary_key=True)
    artifact_id: str | None = Field(foreign_key="artifact.id", ondelete="CASCADE", index=True)
    worker_id: str = Field(foreign_key="worker.id", ondelete="CASCADE", index=True)
    author: str
    content: str
    selection: Any = Field(sa_type=JSON, nullable=True)
    resolved: bool
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class MessageRow(SQLModel, table=True):
    """One thing said. `to_agent` marks what a heartbeat must deliver."""

    __tablename__ = "message"
    __table_args__ = (
        one_of("role", Role),
        sa.Index("message_of_worker", "worker_id", "id"),
        # Few of very many: each heartbeat asks for them.
        sa.Index(
            "message_to_agent",
            "worker_id",
            "id",
            sqlite_where=sa.text("to_agent = 1"),
            postgresql_where=sa.text("to_agent"),
        ),
    )

    id: str = Field(primary_key=True)
    worker_id: str = Field(foreign_key="worker.id", ondelete="CASCADE")
    role: str
    to_agent: bool
    content: str | None = None
    tool_name: str | None = None
    tool_input: Any = Field(sa_type=JSON, nullable=True)
    tool_output: Any = Field(sa_type=JSON, nullable=True)
    cost_usd: Decimal | None = Field(sa_type=Money)
    answers: str | None = None
    created_at: datetime = Field(sa_type=Moment)


class AttachmentRow(SQLModel, table=True):
    """A file that came with a message; its bytes are elsewhere, under their digest."""

    __tablename__ = "attachment"

    id: str = Field(primary_key=True)
    message_id: str = Field(foreign_key="message.id", ondelete="CASCADE", index=True)
    filename: str
    mime_type: str
    size: int
    digest: str = Field(foreign_key="blob.digest", index=True)
    created_at: datetime = Field(sa_type=Moment)


class EventRow(SQLModel, table=True):
    """One event. `seq` comes from the counter, taken last, so that its order is commit order."""

    __tablename__ = "event"

    seq: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    type: str
    at: datetime = Field(sa_type=Moment)
    workspace_id: str | None = None
    task_id: str | None = None
    worker_id: str | None = None
    account_id: str | None = None
    data: Any = Field(sa_type=JSON)


class CounterRow(SQLModel, table=True):
    """A number that only grows."""

    __tablename__ = "counter"

    name: str = Field(primary_key=True)
    value: int = Field(sa_type=sa.BigInteger)


class SettingRow(SQLModel, table=True):
    """What all servers on this database must agree on."""

    __tablename__ = "setting"

    name: str = Field(primary_key=True)
    value: str
