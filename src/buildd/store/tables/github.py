"""Rows about what GitHub has told: what was heard already, and which task an issue has and shows."""

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


class GitHubCommentRow(SQLModel, table=True):
    """The comment that tells on an issue how a task is going; `digest` is of what it says.

    Without an id it may stand there all the same: it was being written when somebody died.
    """

    __tablename__ = "github_comment"

    task_id: str = Field(primary_key=True, foreign_key="task.id", ondelete="CASCADE")
    comment_id: str | None = None
    digest: str | None = None
    busy_until: datetime | None = Field(sa_type=Moment)
