"""The dispatcher's thread: an event loop of its own, in which rounds are made whenever there is reason to."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import anyio

from buildd import operations as ops
from buildd.broker._context import Caller, Context
from buildd.broker.dispatch.acts import Means
from buildd.broker.dispatch.pace import Pace
from buildd.broker.dispatch.rounds import Rounds
from buildd.clock import elapsed
from buildd.errors import BuilddError, Unavailable
from buildd.events import Event, EventType
from buildd.models import Leftover, PoolCheck
from buildd.states import ENDED, TASK
from buildd.store import Store, Transaction

T = TypeVar("T")

_REST = 0.02
"""Seconds between two rounds at least, however many events there are."""
_CHANGES = frozenset(
    {EventType.LAUNCH_UPDATED, EventType.ACCOUNT_UPDATED, EventType.WORKSPACE_UPDATED}
)

log = logging.getLogger("buildd.dispatch")


class Dispatcher:
    """Makes rounds until it is closed; woken by events, and by time."""

    def __init__(
        self,
        store: Store,
        context: Callable[[Transaction], Context],
        means: Means,
        pace: Pace,
    ) -> None:
        self._rounds = Rounds(store, context, means, pace)
        self._pace = pace
        self._loop = asyncio.new_event_loop()
        self._reason = asyncio.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="buildd-dispatcher", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        """An event was committed: look again if it may concern launches. Never blocks."""
        if _concerns(event):
            self._call(self._reason.set)

    def check(self, operation: ops.CheckPool, caller: Caller) -> Future[PoolCheck]:
        """Have a pool checked."""
        return self._submit(self._rounds.check(operation, caller))

    def reap(self, operation: ops.ReapPool, caller: Caller) -> Future[list[Leftover]]:
        """Have what nobody wants on a pool's platform stopped, or listed."""
        return self._submit(self._rounds.reap(operation, caller))

    def close(self) -> None:
        """Cancel the calls that are under way, let others act at once, and end.

        What was started lives on; another dispatcher finds it.
        """
        self._closed = True
        self._call(self._reason.set)
        self._thread.join()

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._closed:
            work.close()
            raise Unavailable("this broker is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

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
                    await self._rounds.go(tasks)
                except BuilddError as error:
                    log.warning("the dispatcher could not look: %s", error)
                await self._pause(elapsed() - began)
            tasks.cancel_scope.cancel()

    async def _pause(self, took: float) -> None:
        # As long as the round took: with many tasks that wait, the database has others to serve too.
        await anyio.sleep(max(took, _REST))
        with anyio.move_on_after(self._pace.tick):
            await self._reason.wait()


def _concerns(event: Event) -> bool:
    """Whether it may make a launch wanted, or due, or no longer wanted."""
    if event.type in _CHANGES:
        return True
    status = event.data.get("status")
    if event.type is EventType.WORKER_STATUS:
        return status in ENDED
    return event.type is EventType.TASK_CANCELLED or status == TASK.initial
