"""Rows about browsers: sessions, and the tickets for one stream of events each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from buildd.store.columns import JSON, Moment


class SessionRow(SQLModel, table=True):
    """A session by its digest. `expires_at` moves on while it is used."""

    __tablename__ = "session"

    digest: str = Field(primary_key=True)
    holder: str = Field(index=True)
    key_id: str | None = Field(foreign_key="api_key.id", ondelete="CASCADE")
    proof: str | None = None
    expires_at: datetime = Field(sa_type=Moment, index=True)
    created_at: datetime = Field(sa_type=Moment)


class TicketRow(SQLModel, table=True):
    """A ticket by its digest, until it is used. `wanted` is the filter that it is for."""

    __tablename__ = "ticket"

    digest: str = Field(primary_key=True)
    holder: str = Field(index=True)
    key_id: str | None = Field(foreign_key="api_key.id", ondelete="CASCADE")
    proof: str | None = None
    session: str | None = Field(foreign_key="session.digest", ondelete="CASCADE")
    wanted: Any = Field(sa_type=JSON)
    expires_at: datetime = Field(sa_type=Moment, index=True)
    created_at: datetime = Field(sa_type=Moment)
