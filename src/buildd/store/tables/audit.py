"""Rows of the audit log, which triggers keep from being changed or removed."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from buildd.store.columns import Moment


class AuditEntryRow(SQLModel, table=True):
    """One accepted call. `seq` and the hashes follow from the setting that holds the last ones.

    It refers to nothing by a foreign key: what it tells of may be gone. `subjects` are ids with a
    space between them, since both databases find one in there in the same way.
    """

    __tablename__ = "audit_entry"

    seq: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    at: datetime = Field(sa_type=Moment)
    actor: str
    account_id: str | None = None
    key_id: str | None = None
    session: str | None = None
    worker_id: str | None = None
    launch_id: str | None = None
    action: str
    subjects: str
    outcome: str
    request_id: str | None = None
    address: str | None = None
    digest: str
    previous: str
    hash: str
