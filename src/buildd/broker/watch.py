"""A watch: rounds that are made whenever there is reason to, by a thread with an event loop of its own.

Dispatcher and relay each keep one: both look at the database, and speak with others far away.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from logging import Logger
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup

from buildd.clock import elapsed
from buildd.errors import BuilddError, Unavailable

T = TypeVar("T")
Wake = Callable[[], None]
Go = Callable[[TaskGroup, Wake], Awaitable[None]]
"""Makes one round. What it begins in the group may wake the watch for another one."""

_REST = 0.02
"""Seconds between two rounds at least, however many reasons there are."""


class Watch:
    """Makes rounds until it is closed; woken, or after `tick` seconds without a reason."""

    def __init__(self, name: str, log: Logger, tick: float, go: Go) -> None:
        self._name = name
        self._log = log
        self._tick = tick
        self._go = go
        self._loop = asyncio.new_event_loop()
        self._reason = asyncio.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"buildd-{name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is reason for a round. Never blocks."""
        with suppress(RuntimeError):  # The loop is closed, maybe at this moment: it has ended.
            self._loop.call_soon_threadsafe(self._reason.set)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have something done on the loop. Raises `Unavailable` once it is closed."""
        if self._closed:
            work.close()
            raise Unavailable("this broker is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cancel what the rounds have begun, and end."""
        self._closed = True
        self.wake()
        self._thread.join()

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            while not self._closed:
                self._reason.clear()
                began = elapsed()
                try:
                    await self._go(tasks, self.wake)
                except BuilddError as error:
                    self._log.warning("the %s could not look: %s", self._name, error)
                await self._pause(elapsed() - began)
            tasks.cancel_scope.cancel()

    async def _pause(self, took: float) -> None:
        # As long as the round took: with much to look at, the database has others to serve too.
        await anyio.sleep(max(took, _REST))
        with anyio.move_on_after(self._tick):
            await self._reason.wait()
