"""Requests that may come again."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from buildd.store.columns import JSON, Moment
from buildd.store.statement import Statement
from buildd.store.tables import idempotency

_MINE = (
    idempotency.c.principal == bindparam("principal"),
    idempotency.c.key == bindparam("key"),
)

REMEMBER = Statement(insert(idempotency).on_conflict_do_nothing())
REMEMBERED = Statement(sa.select(idempotency).where(*_MINE))
KEEP_ANSWER = Statement(
    sa.update(idempotency).where(*_MINE).values(answer=bindparam("given", type_=JSON))
)
_BEFORE = idempotency.c.created_at < bindparam("before", type_=Moment())
FORGET_OLD = Statement(sa.delete(idempotency).where(*_MINE, _BEFORE))
FORGET_ALL_OLD = Statement(sa.delete(idempotency).where(_BEFORE))
