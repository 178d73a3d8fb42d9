"""Sessions of browsers, and the tickets for one stream of events each."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.store.columns import Moment
from buildd.store.sql._parts import NOW
from buildd.store.statement import Statement
from buildd.store.tables import session, ticket


def _all_but_newest(table: sa.Table) -> Statement:
    """Forget what a holder has beyond the newest `:keep`."""
    other = table.alias()
    newest = (
        sa.select(other.c.digest)
        .where(other.c.holder == bindparam("of"))
        .order_by(other.c.created_at.desc(), other.c.digest)
        .limit(bindparam("keep", type_=sa.Integer()))
    )
    mine: Any = table.c.holder == bindparam("of")
    return Statement(sa.delete(table).where(mine, table.c.digest.not_in(newest)))


INSERT_SESSION = Statement(sa.insert(session))
SESSION = Statement(
    sa.select(session).where(session.c.digest == bindparam("digest"), session.c.expires_at > NOW)
)
RENEW_SESSION = Statement(
    sa.update(session)
    .where(
        session.c.digest == bindparam("of"),
        session.c.expires_at > NOW,
        session.c.expires_at < bindparam("until", type_=Moment()),
    )
    .values(expires_at=bindparam("until", type_=Moment()))
)
END_SESSION = Statement(sa.delete(session).where(session.c.digest == bindparam("of")))
TRIM_SESSIONS = _all_but_newest(session)
FORGET_SESSIONS = Statement(sa.delete(session).where(session.c.expires_at <= NOW))

INSERT_TICKET = Statement(sa.insert(ticket))
# Whoever deletes the row has used the ticket: nobody else can.
USE_TICKET = Statement(
    sa.delete(ticket).where(ticket.c.digest == bindparam("of")).returning(*ticket.c)
)
TRIM_TICKETS = _all_but_newest(ticket)
FORGET_TICKETS = Statement(sa.delete(ticket).where(ticket.c.expires_at <= NOW))
