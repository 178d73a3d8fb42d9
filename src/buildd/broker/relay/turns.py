"""Turns: the database's half of an attempt, before it is made and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from buildd.broker._context import Context
from buildd.broker.relay.pace import RelayPace
from buildd.broker.relay.senders import Answer, Send, Sender
from buildd.errors import NotConfigured
from buildd.states import DeliveryVerb
from buildd.store import Row
from buildd.store.sql import deliveries as sql
from buildd.telling import TargetKind
from buildd.text import one_line

_LONGEST = 500
"""Characters of what is kept of an error."""

Senders = Mapping[TargetKind, Sender]


@dataclass(frozen=True)
class Turn:
    """One delivery that is ours to send."""

    delivery: Row
    send: Send


def take(ctx: Context, delivery_id: str, senders: Senders, pace: RelayPace) -> Turn | None:
    """Take the turn of a delivery, unless somebody else has it or it has come to its end."""
    until = ctx.tx.now + timedelta(seconds=pace.lease)
    delivery = ctx.tx.first(sql.TAKE, of=delivery_id, now=ctx.tx.now, until=until)
    if delivery is None:
        return None
    if delivery.attempts > pace.attempts:  # The last one's server died before it could tell.
        _write(ctx, delivery, Answer.never("given up: its last attempts never came to an end"))
        return None
    sender = senders[TargetKind(delivery.kind)]
    try:
        send = sender.prepare(ctx, delivery)
    except NotConfigured as problem:
        _write(ctx, delivery, Answer.never(problem.message))
        return None
    if send is None:
        _write(ctx, delivery, Answer.never("whom it was for is gone, or wants nothing more"))
        return None
    return Turn(delivery, send)


def settle(ctx: Context, turn: Turn, answer: Answer, senders: Senders, pace: RelayPace) -> bool:
    """Write down how an attempt went; False if that no longer counts."""
    spent = turn.delivery.attempts >= pace.attempts
    if answer.verb is DeliveryVerb.PUT_OFF and spent:
        error = f"{answer.error}; given up after {pace.attempts} attempts"
        answer = replace(answer, verb=DeliveryVerb.FAIL, error=error)
    until = ctx.tx.now + pace.next_try(turn.delivery.attempts)
    delivery = _write(ctx, turn.delivery, answer, until=until)
    if delivery is None:
        return False
    senders[TargetKind(delivery.kind)].settled(ctx, delivery, answer)
    return True


def release(ctx: Context, turn: Turn) -> None:
    """Let others send it at once: this relay ends, and does not know whether it was taken."""
    _write(ctx, turn.delivery, Answer.later("the server stopped meanwhile"), until=ctx.tx.now)


def _write(ctx: Context, delivery: Row, answer: Answer, **until: object) -> Row | None:
    timed = until if answer.verb is DeliveryVerb.PUT_OFF else {}
    return ctx.tx.first(
        sql.SETTLE[answer.verb],
        of=delivery.id,
        of_turn=delivery.turn,
        answered=answer.status,
        because=None if answer.error is None else one_line(answer.error, _LONGEST),
        now=ctx.tx.now,
        **timed,
    )
