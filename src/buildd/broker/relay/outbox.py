"""From events to deliveries: each event once, by whichever server moves the cursor over it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

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

_FAR = 10_000
"""So many events without anything to tell are passed over before the cursor is moved behind them."""


@dataclass(frozen=True)
class Page:
    """Some events, and what a sender has to tell of them."""

    kind: TargetKind
    cursor: str | None
    """Where the cursor stood, as it is stored."""
    to: int
    """The `seq` that it moves to."""
    drafts: tuple[Draft, ...] = ()
    more: bool = False

    @property
    def is_worth_writing(self) -> bool:
        """Whether there is something to tell, or much to pass over."""
        return bool(self.drafts) or self.more or self.to - int(self.cursor or 0) > _FAR


def look(tx: Transaction, sender: Sender, seen: int = 0) -> Page | None:
    """What comes next after the cursor, or after what was seen; None if nobody is to be told.

    Each sender has a cursor of its own: a server that lacks one passes over nothing for the others.
    """
    since = sender.since(tx)
    if since is None:
        return None
    row = tx.first(sql_accounts.SETTING, name=sql.CURSORS[sender.kind])
    cursor = None if row is None else row.value
    # Read before the events: whoever drew a number has committed once it can be seen.
    last = last_seq(tx)
    rows = tx.all(sql.EVENTS_BETWEEN, after=max(int(cursor or 0), seen, since), last=last)
    events = [Event.model_validate(each) for each in rows]
    more = len(events) == sql.EVENTS_AT_ONCE
    drafts = tuple(sender.drafts(tx, events)) if events else ()
    return Page(sender.kind, cursor, events[-1].seq if more else last, drafts, more)


def write(ctx: Context, page: Page) -> bool:
    """Move the cursor and write the deliveries; False if another server was first."""
    if not _move(ctx.tx, page):
        return False
    put(ctx, page.kind, *page.drafts)
    return True


def put(ctx: Context, kind: TargetKind, *drafts: Draft) -> list[str]:
    """Deliveries that are due at once; their ids."""
    rows = [_delivery(kind, draft, ctx.tx.now) for draft in drafts]
    ctx.tx.run_many(sql.INSERT_DELIVERY, rows)
    return [row["id"] for row in rows]


def _delivery(kind: TargetKind, draft: Draft, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(Kind.DELIVERY),
        "kind": kind.value,
        "target_id": draft.target_id,
        "type": draft.type,
        "event_seq": draft.event_seq,
        "body": draft.body,
        "status": DELIVERY.initial.value,
        "attempts": 0,
        "turn": 0,
        "due_at": now,
        "response_status": None,
        "error": None,
        "created_at": now,
        "updated_at": now,
        "ended_at": None,
    }


def last_seq(tx: Transaction) -> int:
    """The `seq` of the last event that can be seen."""
    row = tx.first(sql_events.LAST_SEQ)
    return 0 if row is None else int(row.value)


def _move(tx: Transaction, page: Page) -> bool:
    name, to = sql.CURSORS[page.kind], str(page.to)
    if page.cursor is None:
        return tx.touch(sql_accounts.PUT_SETTING_ONCE, name=name, value=to) > 0
    moved = tx.first(sql_accounts.CHANGE_SETTING, of=name, was=page.cursor, value=to)
    return moved is not None
