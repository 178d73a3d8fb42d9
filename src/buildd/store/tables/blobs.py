"""Rows about files whose bytes are kept outside of the database."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from buildd.store.columns import Moment


class BlobRow(SQLModel, table=True):
    """Bytes that something refers to by their digest, and the place that holds them now."""

    __tablename__ = "blob"

    digest: str = Field(primary_key=True)
    size: int = Field(sa_type=sa.BigInteger)
    place: str = Field(unique=True)
    created_at: datetime = Field(sa_type=Moment)
