"""Events: appended with the last statement of a transaction, so that their order is commit order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.events import EventType
from buildd.store.columns import Moment, among
from buildd.store.statement import Statement
from buildd.store.tables import counter, event

if TYPE_CHECKING:
    from buildd.store.transaction import Transaction

EVENT_SEQ = "event_seq"
"""The counter that events take their numbers from."""
PRUNE_AT_ONCE = 500

# The counter row stays locked until the commit: whoever draws a number commits before the next one
# can. A sequence hands out numbers earlier, and a reader then passes events it never saw.
NEXT_SEQ = Statement(
    sa.update(counter)
    .where(counter.c.name == EVENT_SEQ)
    .values(value=counter.c.value + bindparam("count", type_=sa.BigInteger))
    .returning(counter.c.value)
)
INSERT_EVENT = Statement(sa.insert(event))

LAST_SEQ = Statement(sa.select(counter.c.value).where(counter.c.name == EVENT_SEQ))
OLDEST_SEQ = Statement(sa.select(sa.func.min(event.c.seq).label("seq")))
# Types of a newer buildd on the same database are passed over, as an old client does.
EVENTS_AFTER = Statement(
    sa.select(event)
    .where(
        event.c.seq > bindparam("after", type_=sa.BigInteger),
        among(event.c.type, EventType),
    )
    .order_by(event.c.seq)
    .limit(bindparam("limit", type_=sa.Integer))
)
_OLDEST = sa.select(event.c.seq, event.c.at).order_by(event.c.seq).limit(PRUNE_AT_ONCE).subquery()
_FIRST_KEPT = (
    sa.select(sa.func.min(_OLDEST.c.seq))
    .where(_OLDEST.c.at >= bindparam("before", type_=Moment()))
    .scalar_subquery()
)
# A few at a time along the primary key, so that nothing waits for it, and only up to the first that
# is kept: a clock that stepped back left older times behind it, which would become gaps.
PRUNE_EVENTS = Statement(
    sa.delete(event).where(
        event.c.seq.in_(sa.select(_OLDEST.c.seq)),
        sa.or_(_FIRST_KEPT.is_(None), event.c.seq < _FIRST_KEPT),
    )
)


def append_events(tx: Transaction) -> Callable[[], None]:
    """Ask for numbers for the transaction's events; call what comes back to write them."""
    if not tx.events:
        return lambda: None
    last = tx.ask(NEXT_SEQ, count=len(tx.events))

    def write() -> None:
        [row] = last()
        first = row.value - len(tx.events) + 1
        tx.run_many(INSERT_EVENT, ({"seq": first + i, **told} for i, told in enumerate(tx.events)))

    return write
