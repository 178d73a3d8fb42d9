"""Files: who refers to which bytes, where they are, and how much a worker has of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from buildd.store.sql._parts import locked, seen
from buildd.store.statement import Statement
from buildd.store.tables import artifact, attachment, blob, message, worker

COLLECT_AT_ONCE = 100
"""Blobs that are looked at in one go."""

_new = insert(blob)
# Setting something, although to what it is, takes the row: it cannot be collected before the commit.
KEEP_BLOB = Statement(
    _new.on_conflict_do_update(
        index_elements=["digest"], set_={"size": _new.excluded.size}
    ).returning(blob.c.place)
)
INSERT_ATTACHMENT = Statement(sa.insert(attachment))

_unwanted = sa.and_(
    ~sa.exists().where(artifact.c.digest == blob.c.digest),
    ~sa.exists().where(attachment.c.digest == blob.c.digest),
)
UNWANTED_BLOB = Statement(sa.select(blob.c.digest).where(_unwanted).limit(1))
UNWANTED_BLOBS = locked(
    sa.select(blob.c.digest).where(_unwanted).order_by(blob.c.digest).limit(COLLECT_AT_ONCE),
    blob,
    skip=True,
)
# Asked again once the row is ours: what was committed in between counts.
FORGET_BLOB = Statement(
    sa.delete(blob).where(blob.c.digest == bindparam("of"), _unwanted).returning(blob.c.place)
)
BLOB_AT = Statement(sa.select(blob.c.digest).where(blob.c.place == bindparam("place")))
BLOB = Statement(sa.select(blob.c.digest).where(blob.c.digest == bindparam("digest")))
BLOBS = Statement(
    sa.select(blob.c.digest, blob.c.size, blob.c.place)
    .where(blob.c.digest > bindparam("after"))
    .order_by(blob.c.digest)
    .limit(bindparam("limit", type_=sa.Integer()))
)


def _amount(table: sa.Table, *where: Any) -> Statement:
    total = sa.func.coalesce(sa.func.sum(table.c.size), sa.literal_column("0"))
    return Statement(
        sa.select(
            sa.func.count(table.c.size).label("files"),
            sa.cast(total, sa.BigInteger()).label("size"),
        ).where(*where)
    )


AMOUNT_OF_ARTIFACTS = _amount(artifact, artifact.c.worker_id == bindparam("worker"))
AMOUNT_OF_ATTACHMENTS = _amount(
    attachment,
    attachment.c.message_id.in_(
        sa.select(message.c.id).where(message.c.worker_id == bindparam("worker"))
    ),
)

MESSAGE = Statement(
    sa.select(message.c.id, message.c.worker_id, message.c.to_agent)
    .join(worker, worker.c.id == message.c.worker_id)
    .where(message.c.id == bindparam("id"), seen(worker.c.workspace_id))
)
ARTIFACT_FILE = Statement(
    sa.select(*artifact.c, blob.c.place)
    .join(worker, worker.c.id == artifact.c.worker_id)
    .outerjoin(blob, blob.c.digest == artifact.c.digest)
    .where(artifact.c.id == bindparam("id"), seen(worker.c.workspace_id))
)
ATTACHMENT_FILE = Statement(
    sa.select(*attachment.c, blob.c.place, worker.c.task_id)
    .join(message, message.c.id == attachment.c.message_id)
    .join(worker, worker.c.id == message.c.worker_id)
    .join(blob, blob.c.digest == attachment.c.digest)
    .where(attachment.c.id == bindparam("id"), seen(worker.c.workspace_id))
)
