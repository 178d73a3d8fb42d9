"""Deliveries: written from events, taken by whoever sends them, and what became of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.events import EventType
from buildd.states import DELIVERY, DONE_WITH, OPEN_DELIVERY, DeliveryVerb
from buildd.store.columns import Moment, among
from buildd.store.sql._parts import NOW, optional, page
from buildd.store.statement import Statement
from buildd.store.tables import delivery, event
from buildd.telling import TargetKind

EVENTS_AT_ONCE = 500
DUE_AT_ONCE = 100
PRUNE_AT_ONCE = 500
_PER_TARGET = 8

RELAYED = frozenset(
    {
        EventType.TASK_CREATED,
        EventType.TASK_UPDATED,
        EventType.TASK_CANCELLED,
        EventType.WORKER_STATUS,
        EventType.WORKER_WAITING,
        EventType.WORKER_ARTIFACT,
        EventType.WORKER_COMPLETED,
        EventType.WORKER_ERROR,
    }
)
"""The events that senders are shown: those that come now and then, not those that come all the time."""

CURSORS = {kind: f"relayed_seq_{kind.value}" for kind in TargetKind}
"""The settings that tell up to which event each kind's deliveries were made."""

EVENTS_BETWEEN = Statement(
    sa.select(event)
    .where(
        event.c.seq > bindparam("after", type_=sa.BigInteger),
        event.c.seq <= bindparam("last", type_=sa.BigInteger),
        among(event.c.type, RELAYED),
    )
    .order_by(event.c.seq)
    .limit(sa.literal_column(str(EVENTS_AT_ONCE)))
)

INSERT_DELIVERY = Statement(sa.insert(delivery))
_SHOWN = sa.select(
    *(column for column in delivery.c if column.name not in {"target_id", "body", "kind", "turn"}),
    delivery.c.target_id.label("hook_id"),
)
DELIVERY_OF = Statement(
    _SHOWN.where(delivery.c.id == bindparam("id"), delivery.c.target_id == bindparam("target"))
)
DELIVERIES = page(_SHOWN.where(delivery.c.target_id == bindparam("target")), delivery.c.id)

_IS_OPEN = among(delivery.c.status, OPEN_DELIVERY)
_waiting = (
    sa.select(
        delivery.c.id,
        delivery.c.target_id,
        delivery.c.due_at,
        sa.func.row_number()
        .over(
            partition_by=delivery.c.target_id,
            order_by=(delivery.c.due_at, delivery.c.id),
        )
        .label("place"),
    )
    .where(_IS_OPEN, delivery.c.due_at <= NOW, delivery.c.kind == bindparam("kind"))
    .subquery()
)
# A few of each target's, so that one that does not answer keeps nobody else's waiting.
DUE = Statement(
    sa.select(_waiting.c.id, _waiting.c.target_id)
    .where(_waiting.c.place <= sa.literal_column(str(_PER_TARGET)))
    .order_by(_waiting.c.place, _waiting.c.due_at)
    .limit(sa.literal_column(str(DUE_AT_ONCE)))
)


def _move(verb: DeliveryVerb, *conditions: sa.ColumnElement[bool], **values: Any) -> sa.Update:
    step = DELIVERY.step(verb)
    return (
        sa.update(delivery)
        .where(among(delivery.c.status, step.sources), *conditions)
        .values(status=sa.literal_column(f"'{step.target.value}'"), updated_at=NOW, **values)
    )


_THIS = delivery.c.id == bindparam("of")
_UNTIL = bindparam("until", type_=Moment())
_ANSWERED = {
    "response_status": bindparam("answered", type_=sa.Integer()),
    "error": optional("because"),
}
_THIS_TURN = (_THIS, delivery.c.turn == bindparam("of_turn", type_=sa.Integer()))
_ENDS = {"due_at": sa.null(), "ended_at": NOW}

TAKE = Statement(
    _move(
        DeliveryVerb.SEND,
        _THIS,
        delivery.c.due_at <= NOW,
        due_at=_UNTIL,
        attempts=delivery.c.attempts + sa.literal_column("1"),
        turn=delivery.c.turn + sa.literal_column("1"),
    ).returning(*delivery.c)
)
SETTLE = {
    DeliveryVerb.DELIVER: Statement(
        _move(DeliveryVerb.DELIVER, *_THIS_TURN, **_ANSWERED, **_ENDS).returning(*delivery.c)
    ),
    DeliveryVerb.FAIL: Statement(
        _move(DeliveryVerb.FAIL, *_THIS_TURN, **_ANSWERED, **_ENDS).returning(*delivery.c)
    ),
    DeliveryVerb.PUT_OFF: Statement(
        _move(DeliveryVerb.PUT_OFF, *_THIS_TURN, **_ANSWERED, due_at=_UNTIL).returning(*delivery.c)
    ),
}
"""What became of a turn. Nothing, if it is no longer the last one."""
REDELIVER = Statement(
    _move(
        DeliveryVerb.REDELIVER,
        _THIS,
        delivery.c.target_id == bindparam("target"),
        attempts=sa.literal_column("0"),
        due_at=NOW,
        ended_at=sa.null(),
    ).returning(delivery.c.id)
)

_OF_TARGET = delivery.c.target_id == bindparam("target")
CALL_OFF = Statement(_move(DeliveryVerb.FAIL, _OF_TARGET, error=optional("because"), **_ENDS))
"""Give up whatever is still to be sent to a target."""
DELETE_DELIVERIES = Statement(sa.delete(delivery).where(_OF_TARGET))
_FORGOTTEN = (
    sa.select(delivery.c.id)
    .where(
        among(delivery.c.status, DONE_WITH),
        delivery.c.ended_at < bindparam("before", type_=Moment()),
    )
    .order_by(delivery.c.ended_at)
    .limit(PRUNE_AT_ONCE)
)
PRUNE_DELIVERIES = Statement(sa.delete(delivery).where(delivery.c.id.in_(_FORGOTTEN)))
