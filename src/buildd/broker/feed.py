"""The feed: one reader of the event table per process, which hands each event to everybody who listens.

A listener that is up to date is served from memory. One that begins in the past, or does not keep
up, reads its next pages from the database at its own pace until it has caught up; so nobody is
dropped, and nobody's slowness costs memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from buildd.broker.audience import Audience
from buildd.broker.channel import Channel, Notice, Terms
from buildd.clock import elapsed
from buildd.errors import BuilddError, Unavailable
from buildd.events import Event, EventType, Filter
from buildd.store import Row, Store, Transaction
from buildd.store.sql import events as sql

_PAGE = 500
_LOOK_SECONDS = 1.0
"""How often listeners are looked through for keys that have expired."""

log = logging.getLogger("buildd.feed")


class Subscription:
    """One listener's place in the feed.

    `notify` is called, mostly from a thread of the broker's, when there is something after there was
    nothing, so whoever hears it must drain; it must not block.
    """

    channel: Channel

    def __init__(
        self,
        feed: Feed,
        position: int,
        wanted: Filter,
        audience: Audience,
        notify: Callable[[], None],
    ) -> None:
        self.start = position
        """The `seq` after which it began, however much was heard since."""
        self.position = position
        """The `seq` up to which everything was handed out or passed over."""
        self.audience = audience
        self.rouse = notify
        self._feed = feed
        self._wanted = wanted
        self._read: list[Notice] = []
        """What was not found in its channel."""
        self._reading = False
        self._closed = False
        self._failure: BuilddError | None = None

    @property
    def terms(self) -> Terms:
        """What decides which events it hears."""
        return Terms(self._wanted, self.audience.sight)

    def drain(self) -> list[Notice]:
        """What has happened since the last call; never blocks. Of very much only the first, and it notifies.

        Raises what ended the subscription: `NotAuthenticated` when the key was revoked or has expired.
        """
        with self._feed.lock:
            if self._failure is not None:
                raise self._failure
            notices, self._read = self._read, []
            if not notices and not self._reading and not self.channel.lacks(self):
                notices = self.channel.take(self)
            self._listen()
        return notices

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        self._feed.drop(self)

    def fail(self, error: BuilddError) -> None:
        """End it: the next `drain` raises."""
        self._failure = error
        self.rouse()

    def tell(self, notice: Notice) -> None:
        """Hand it something that is not in the feed."""
        self._read.append(notice)
        self.rouse()

    def enter(self, channel: Channel) -> None:
        """Listen there from where it stands, and forget what cannot be heard there. Called under the lock."""
        self.channel = channel
        self._read = [each for each in self._read if channel.terms.admit(each.event)]
        channel.enter(self)
        self._listen()

    def _listen(self) -> None:
        """Have it roused when there is something to drain."""
        if self._read or self._reading or self._closed or self._failure:
            return
        if self.channel.lacks(self):
            self._reading = True
            page = self._feed.page(self.position)
            page.add_done_callback(partial(self._paged, self._feed.position))
        else:
            self.channel.wait(self)

    def _paged(self, known: int, page: Future[list[Notice]]) -> None:
        with self._feed.lock:
            self._reading = False
            error = page.exception()
            if error is not None:
                self.fail(error if isinstance(error, BuilddError) else BuilddError(str(error)))
                return
            notices = page.result()
            if notices:
                self.position = notices[-1].event.seq
            if len(notices) < _PAGE:
                # It has all that was known when it was asked for, and there may be numbers of nothing.
                self.position = max(self.position, known)
            self._read = [each for each in notices if self.channel.terms.admit(each.event)]
            if self._read:
                self.rouse()
            self._listen()


class Feed:
    """The one reader. `hear` is told of each event."""

    def __init__(self, store: Store, hear: Callable[[Event], None]) -> None:
        self.lock = threading.RLock()
        self.position = store.read(_last).result()
        self._store = store
        self._bell = store.bell
        self._hear = hear
        self._listeners: set[Subscription] = set()
        self._channels: dict[Terms, Channel] = {}
        self._next_look = elapsed()
        self._closed = False
        self._looked = elapsed()
        self._thread = threading.Thread(target=self._run, name="buildd-feed", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every subscription and the thread."""
        self._closed = True
        self._bell.waiting.set()
        self._thread.join()
        for listener in self.listeners():
            listener.fail(Unavailable("this broker is closed"))
            self.drop(listener)

    @property
    def silence(self) -> float:
        """Seconds since it last knew that it had handed on all there was, or a page of it."""
        return elapsed() - self._looked

    def listeners(self) -> list[Subscription]:
        """Everybody who listens now."""
        with self.lock:
            return list(self._listeners)

    def drop(self, listener: Subscription) -> None:
        """Forget a listener."""
        with self.lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
                self._leave(listener)

    def recheck(self, concerned: Callable[[Subscription], bool]) -> None:
        """Ask for some listeners whether they still may listen, and end those that may not."""
        for listener in filter(concerned, self.listeners()):
            listener.audience.ends = None
            checked = self._store.read(listener.audience.refresh)
            checked.add_done_callback(partial(_end_if_refused, listener))

    def page(self, after: int) -> Future[list[Notice]]:
        """The next events after a `seq`, from the database."""
        return self._store.read(lambda tx: _page(tx, after))

    def join(
        self,
        tx: Transaction,
        after: int | None,
        wanted: Filter,
        audience: Audience,
        notify: Callable[[], None],
    ) -> Subscription:
        """A subscription after a `seq`, 0 for all that is kept, None for what comes from now on."""
        last = _last(tx)
        oldest = tx.first(sql.OLDEST_SEQ)
        first_kept = oldest.seq if oldest is not None and oldest.seq is not None else last + 1
        start = last if after is None else min(after, last)
        listener = Subscription(self, max(start, first_kept - 1), wanted, audience, notify)
        if after is not None and 0 < after < first_kept - 1:
            listener.tell(_reset(tx, first_kept - 1))
        with self.lock:
            self._listeners.add(listener)
            self._enter(listener)
            audience.heed = partial(self._move, listener)
        return listener

    def _move(self, listener: Subscription) -> None:
        """Have it hear what it may see by now, of what it has not drained yet too."""
        with self.lock:
            if listener in self._listeners:
                self._leave(listener)
                self._enter(listener)

    def _enter(self, listener: Subscription) -> None:
        terms = listener.terms
        if terms not in self._channels:
            self._channels[terms] = Channel(terms, self.position)
        listener.enter(self._channels[terms])

    def _leave(self, listener: Subscription) -> None:
        channel = listener.channel
        channel.leave(listener)
        if channel.empty:
            del self._channels[channel.terms]

    def _run(self) -> None:
        while not self._closed:
            self._bell.waiting.wait(self._bell.poll_seconds)
            self._bell.waiting.clear()
            try:
                self._recheck_late(elapsed())
                while self._advance():
                    pass
            except BuilddError as error:
                if not self._closed:
                    log.warning("the feed could not read: %s", error)
                    self._bell.waiting.wait(1.0)

    def _recheck_late(self, now: float) -> None:
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        self.recheck(lambda each: each.audience.ends is not None and each.audience.ends <= now)

    def _advance(self) -> bool:
        notices = self._store.look(lambda tx: _page(tx, self.position))
        with self.lock:
            self.position = notices[-1].event.seq if notices else self.position
            for channel in self._channels.values():
                channel.hear(notices, self.position)
        for notice in notices:
            self._hear(notice.event)
        self._looked = elapsed()
        return len(notices) == _PAGE


def _end_if_refused(listener: Subscription, checked: Future[None]) -> None:
    error = checked.exception()
    if error is not None:
        listener.fail(error if isinstance(error, BuilddError) else BuilddError(str(error)))


def _last(tx: Transaction) -> int:
    row = tx.first(sql.LAST_SEQ)
    return 0 if row is None else int(row.value)


def _page(tx: Transaction, after: int) -> list[Notice]:
    return [_notice(row) for row in tx.all(sql.EVENTS_AFTER, after=after, limit=_PAGE)]


def _notice(row: Row) -> Notice:
    event = Event.model_validate(row)
    return Notice(event, event.model_dump_json().encode())


def _reset(tx: Transaction, seq: int) -> Notice:
    event = Event(seq=seq, type=EventType.RESET, at=tx.now)
    return Notice(event, event.model_dump_json().encode())
