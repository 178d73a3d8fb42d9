"""The relay's thread: an event loop of its own, in which rounds are made whenever there is reason to."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio

from buildd.broker._context import Context
from buildd.broker.relay.pace import RelayPace
from buildd.broker.relay.rounds import Rounds
from buildd.broker.relay.senders import Sender
from buildd.clock import elapsed
from buildd.errors import BuilddError
from buildd.events import Event
from buildd.store import Store, Transaction
from buildd.store.sql.deliveries import RELAYED

_REST = 0.02
"""Seconds between two rounds at least, however many events there are."""

log = logging.getLogger("buildd.relay")


class Relay:
    """Makes rounds until it is closed; woken by events, and by time."""

    def __init__(
        self,
        store: Store,
        context: Callable[[Transaction], Context],
        senders: Sequence[Sender],
        pace: RelayPace,
    ) -> None:
        self._rounds = Rounds(store, context, senders, pace)
        self._pace = pace
        self._loop = asyncio.new_event_loop()
        self._reason = asyncio.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="buildd-relay", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        """An event was committed: look again if somebody may be told of it. Never blocks."""
        if event.type in RELAYED and not self._rounds.idle:
            self._call(self._reason.set)

    def close(self) -> None:
        """Break off what is being sent, let others send it at once, and end."""
        self._closed = True
        self._call(self._reason.set)
        self._thread.join()

    def _call(self, what: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # The loop is closed, maybe at this moment: it has ended.
            self._loop.call_soon_threadsafe(what)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            while not self._closed:
                self._reason.clear()
                began = elapsed()
                try:
                    await self._rounds.go(tasks, self._reason.set)
                except BuilddError as error:
                    log.warning("the relay could not look: %s", error)
                await self._pause(elapsed() - began)
            tasks.cancel_scope.cancel()

    async def _pause(self, took: float) -> None:
        await anyio.sleep(max(took, _REST))
        with anyio.move_on_after(self._pace.tick):
            await self._reason.wait()
