"""From events to deliveries: each event once, by whichever server moves the cursor over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildd.broker._context import Context
from buildd.broker.relay.senders import Draft, Sender
from buildd.events import Event
from buildd.ids import Kind, new_id
from buildd.states import DELIVERY
from buildd.store import Transaction
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import deliveries as sql
from buildd.store.sql import events as sql_events
from buildd.telling import TargetKind

_CURSOR = sql_events.RELAYED_SEQ
_FAR = 10_000
"""So many events without anything to tell are passed over before the cursor is moved behind them."""


@dataclass(frozen=True)
class Page:
    """Some events, and what is to be told of them."""

    cursor: str | None
    """Where the cursor stood, as it is stored."""
    start: int
    to: int
    """The `seq` that it moves to."""
    drafts: tuple[tuple[TargetKind, Draft], ...] = ()
    more: bool = False

    @property
    def is_worth_writing(self) -> bool:
        """Whether there is something to tell, or much to pass over."""
        return bool(self.drafts) or self.more or self.to - int(self.cursor or 0) > _FAR


def look(tx: Transaction, senders: Sequence[Sender], seen: int) -> Page | None:
    """What comes next after the cursor, or after what was seen; None if nobody is to be told."""
    wanted = [(sender, sender.since(tx)) for sender in senders]
    since = [(sender, seq) for sender, seq in wanted if seq is not None]
    if not since:
        return None
    row = tx.first(sql_accounts.SETTING, name=_CURSOR)
    cursor = None if row is None else row.value
    start = max(int(cursor or 0), seen, min(seq for _, seq in since))
    # Read before the events: whoever drew a number has committed once it can be seen.
    last = last_seq(tx)
    rows = tx.all(sql.EVENTS_BETWEEN, after=start, last=last)
    events = [Event.model_validate(each) for each in rows]
    more = len(events) == sql.EVENTS_AT_ONCE
    drafts = [
        (sender.kind, draft)
        for sender, _ in since
        for draft in (sender.drafts(tx, events) if events else ())
    ]
    return Page(cursor, start, events[-1].seq if more else last, tuple(drafts), more)


def write(ctx: Context, page: Page) -> bool:
    """Move the cursor and write the deliveries; False if another server was first."""
    if not _move(ctx.tx, page):
        return False
    for kind, draft in page.drafts:
        put(ctx, kind, draft)
    return True


def put(ctx: Context, kind: TargetKind, draft: Draft) -> str:
    """A delivery that is due at once; its id."""
    delivery_id = new_id(Kind.DELIVERY)
    ctx.tx.run(
        sql.INSERT_DELIVERY,
        id=delivery_id,
        kind=kind.value,
        target_id=draft.target_id,
        type=draft.type,
        event_seq=draft.event_seq,
        body=draft.body,
        status=DELIVERY.initial.value,
        attempts=0,
        turn=0,
        due_at=ctx.tx.now,
        response_status=None,
        error=None,
        created_at=ctx.tx.now,
        updated_at=ctx.tx.now,
        ended_at=None,
    )
    return delivery_id


def last_seq(tx: Transaction) -> int:
    """The `seq` of the last event that can be seen."""
    row = tx.first(sql_events.LAST_SEQ)
    return 0 if row is None else int(row.value)


def _move(tx: Transaction, page: Page) -> bool:
    to = str(page.to)
    if page.cursor is None:
        return tx.run(sql_accounts.PUT_SETTING_ONCE, name=_CURSOR, value=to) > 0
    moved = tx.first(sql_accounts.CHANGE_SETTING, of=_CURSOR, was=page.cursor, value=to)
    return moved is not None
