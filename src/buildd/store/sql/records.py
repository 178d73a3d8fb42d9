"""Artifacts, comments, messages and attachments."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.store.sql._parts import change, locked, optional, page, seen
from buildd.store.statement import Statement
from buildd.store.tables import artifact, attachment, comment, message, worker

INSERT_ARTIFACT = Statement(sa.insert(artifact))
ARTIFACT = Statement(
    sa.select(artifact)
    .join(worker, worker.c.id == artifact.c.worker_id)
    .where(artifact.c.id == bindparam("id"), seen(worker.c.workspace_id))
)
ARTIFACTS = page(
    sa.select(artifact).where(artifact.c.worker_id == optional("worker")), artifact.c.id
)
ARTIFACT_WITH_CONTENT = Statement(
    sa.select(artifact.c.id).where(
        artifact.c.worker_id == bindparam("worker"),
        artifact.c.type == bindparam("type"),
        artifact.c.content == bindparam("content"),
    )
)

INSERT_COMMENT = Statement(sa.insert(comment))
LOCK_COMMENT = locked(
    sa.select(comment)
    .join(worker, worker.c.id == comment.c.worker_id)
    .where(comment.c.id == bindparam("id"), seen(worker.c.workspace_id)),
    comment,
)
COMMENTS = page(
    sa.select(comment).where(comment.c.artifact_id == optional("artifact")), comment.c.id
)
CHANGE_COMMENT = change(comment, ("content", "resolved", "updated_at"))

INSERT_MESSAGE = Statement(sa.insert(message))
MESSAGES = page(sa.select(message).where(message.c.worker_id == optional("worker")), message.c.id)
MESSAGES_TO_AGENT = Statement(
    sa.select(message)
    .where(
        message.c.worker_id == bindparam("worker"),
        message.c.to_agent,
        sa.or_(optional("after").is_(None), message.c.id > optional("after")),
    )
    .order_by(message.c.id)
    .limit(200)
)
LAST_TO_AGENT = Statement(
    sa.select(sa.func.max(message.c.id).label("id")).where(
        message.c.worker_id == bindparam("worker"), message.c.to_agent
    )
)
ATTACHMENTS = Statement(
    sa.select(attachment)
    .where(attachment.c.message_id == bindparam("message"))
    .order_by(attachment.c.id)
)
