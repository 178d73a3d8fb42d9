"""What GitHub has told, and the tasks it was about."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from buildd.store.columns import Moment
from buildd.store.sql._parts import change, upsert
from buildd.store.statement import Statement
from buildd.store.tables import (
    artifact,
    github_issue,
    source,
    task,
    webhook_receipt,
    worker,
)

FORGET_AT_ONCE = 500

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
