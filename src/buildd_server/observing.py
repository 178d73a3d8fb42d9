"""Plugins that look on: each hears every event on a thread of its own, and can hurt nobody by it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from buildd.broker import ADMIN, Broker, Subscription
from buildd.errors import BuilddError
from buildd.events import Event, EventType, Filter
from buildd.plugins import Observer

CLOSE_SECONDS = 2.0
"""How long a stop waits for a plugin to return; its thread cannot be ended, and dies with us."""
AGAIN_SECONDS = 1.0
"""How long to wait before listening again when the database could not be read."""

log = logging.getLogger("buildd.plugins")


@contextmanager
def observed(broker: Broker, observers: Sequence[Observer]) -> Iterator[None]:
    """Tell each observer what happens while the block runs."""
    with ExitStack() as held:
        for each in observers:
            held.enter_context(closing(_Telling(broker, each)))
        yield


class _Telling:
    """One observer's thread. What it has not heard yet waits in its subscription, which is bounded."""

    def __init__(self, broker: Broker, observer: Observer) -> None:
        self._broker = broker
        self._observer = observer
        self._closed = threading.Event()
        self._more = threading.Event()
        self._said = ""
        self._subscription = self._subscribe(None)
        self._told = self._subscription.start
        name = f"buildd-observer-{observer.plugin}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell it nothing more, and let it finish what it was told."""
        self._closed.set()
        self._more.set()
        self._thread.join(CLOSE_SECONDS)
        self._subscription.close()

    def _subscribe(self, after: int | None) -> Subscription:
        return self._broker.subscribe(ADMIN, after, Filter(), self._more.set).result()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._more.wait()
            self._more.clear()
            try:
                notices = self._subscription.drain()
            except BuilddError:
                self._listen_again()
                continue
            for notice in notices:
                if self._closed.is_set():
                    return
                self._tell(notice.event)

    def _tell(self, event: Event) -> None:
        self._told = event.seq
        if event.type is EventType.RESET:  # It is the reader's, and never happened.
            return
        try:
            self._observer.tell(event)
        except (Exception, SystemExit) as problem:  # noqa: BLE001 - a stranger's code may do anything
            self._warn(f"fails at event {event.type}: {type(problem).__name__}: {problem}")
        else:
            self._said = ""

    def _listen_again(self) -> None:
        """The database could not be read: after a while, from where it was."""
        self._subscription.close()
        while not self._closed.wait(AGAIN_SECONDS):
            try:
                self._subscription = self._subscribe(self._told)
            except BuilddError:
                continue
            self._more.set()
            return

    def _warn(self, what: str) -> None:
        """Once in a row, so that a plugin that always fails fills no disk."""
        line = " ".join(what.split())
        if line != self._said:
            log.warning("the plugin %r %s", self._observer.plugin, line)
        self._said = line
