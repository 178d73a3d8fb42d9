"""Rows about what GitHub has told: what was heard already, and which task an issue has."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from buildd.store.columns import Moment


class WebhookReceiptRow(SQLModel, table=True):
    """Something that has had its effect: a delivery, a body, the failed checks of a commit."""

    __tablename__ = "webhook_receipt"

    source_id: str = Field(primary_key=True, foreign_key="source.id", ondelete="CASCADE")
    key: str = Field(primary_key=True)
    created_at: datetime = Field(sa_type=Moment, index=True)


class GitHubIssueRow(SQLModel, table=True):
    """An issue with the last of its tasks; `changed_at` is GitHub's, of what was last heard."""

    __tablename__ = "github_issue"

    source_id: str = Field(primary_key=True, foreign_key="source.id", ondelete="CASCADE")
    issue_id: str = Field(primary_key=True)
    task_id: str | None = Field(foreign_key="task.id", ondelete="SET NULL", index=True)
    changed_at: datetime = Field(sa_type=Moment)
