"""What GitHub has told, and the tasks it was about."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from buildd.models import ArtifactType
from buildd.models.github import GITHUB
from buildd.store.columns import Moment, among
from buildd.store.sql._parts import change, upsert
from buildd.store.statement import Statement
from buildd.store.tables import (
    account,
    artifact,
    github_comment,
    github_issue,
    source,
    task,
    webhook_receipt,
    worker,
)

FORGET_AT_ONCE = 500
FOLLOW_UP = "ci:"
"""How the external id of a task begins that mends failed checks."""

RECEIVE = Statement(insert(webhook_receipt).on_conflict_do_nothing())
_OLD = (
    sa.select(webhook_receipt.c.source_id, webhook_receipt.c.key)
    .where(webhook_receipt.c.created_at < bindparam("before", type_=Moment()))
    .limit(FORGET_AT_ONCE)
)
FORGET_RECEIPTS = Statement(
    sa.delete(webhook_receipt).where(
        sa.tuple_(webhook_receipt.c.source_id, webhook_receipt.c.key).in_(_OLD)
    )
)

_THE_ISSUE = (
    github_issue.c.source_id == bindparam("source"),
    github_issue.c.issue_id == bindparam("issue"),
)
ISSUE = Statement(sa.select(github_issue).where(*_THE_ISSUE))
KNOW_ISSUE = upsert(github_issue, ("source_id", "issue_id"), ("task_id", "changed_at"))
TASK_OF_ITEM = Statement(
    sa.select(task.c.id).where(
        task.c.source_id == bindparam("source"), task.c.external_id == bindparam("item")
    )
)
COUNT_ITEMS = Statement(
    sa.select(sa.func.count().label("number")).where(
        task.c.source_id == bindparam("source"),
        sa.func.substr(task.c.external_id, 1, bindparam("length", type_=sa.Integer()))
        == bindparam("beginning"),
    )
)
WORKER_OF_BRANCH = Statement(
    sa.select(worker.c.id)
    .where(
        worker.c.task_id == bindparam("task"),
        worker.c.workspace_id == bindparam("workspace"),
        worker.c.branch == bindparam("branch"),
    )
    .order_by(worker.c.id.desc())
    .limit(1)
)
ARTIFACT_SAYING = Statement(
    sa.select(artifact).where(
        artifact.c.worker_id == bindparam("worker"),
        artifact.c.type == bindparam("type"),
        artifact.c.content == bindparam("content"),
    )
)
HAS_ARTIFACT = Statement(
    sa.select(artifact.c.id)
    .where(artifact.c.worker_id == bindparam("worker"), artifact.c.type == bindparam("type"))
    .limit(1)
)
CHANGE_ARTIFACT = change(artifact, ("metadata",))
CHANGE_SECRET = change(source, ("secret_generation", "secret_overlap", "updated_at"))

A_GITHUB_SOURCE = Statement(
    sa.select(source.c.id).where(source.c.type == sa.literal_column(f"'{GITHUB}'")).limit(1)
)
# What mends failed checks comes from the source too, but from no issue.
ISSUE_OF_TASK = Statement(
    sa.select(task.c.id)
    .join(source, source.c.id == task.c.source_id)
    .where(
        task.c.id == bindparam("task"),
        source.c.type == sa.literal_column(f"'{GITHUB}'"),
        sa.func.substr(task.c.external_id, 1, sa.literal_column("3"))
        != sa.literal_column(f"'{FOLLOW_UP}'"),
    )
)
LAST_WORKER = Statement(
    sa.select(worker, account.c.name.label("account_name"))
    .join(account, account.c.id == worker.c.account_id)
    .where(worker.c.task_id == bindparam("task"))
    .order_by(worker.c.id.desc())
    .limit(1)
)
TOLD_ARTIFACTS = Statement(
    sa.select(artifact.c.type, artifact.c.content)
    .where(
        artifact.c.worker_id == bindparam("worker"),
        among(artifact.c.type, [ArtifactType.PULL_REQUEST, ArtifactType.SUMMARY]),
    )
    .order_by(artifact.c.id.desc())
)

COMMENT = Statement(sa.select(github_comment).where(github_comment.c.task_id == bindparam("task")))
WRITE_COMMENT = upsert(github_comment, ("task_id",), ("comment_id", "digest", "busy_until"))
_THE_COMMENT = sa.update(github_comment).where(github_comment.c.task_id == bindparam("task"))
WROTE_COMMENT = Statement(
    _THE_COMMENT.values(
        comment_id=bindparam("comment"), digest=bindparam("digest"), busy_until=sa.null()
    )
)
FREE_COMMENT = Statement(_THE_COMMENT.values(busy_until=sa.null()))
