"""What an attempt says, sent in order by its own loop: a slow server never stops the work."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

import anyio

from buildd.agent.retry import persist
from buildd.client import AsyncClient
from buildd.errors import BuilddError, InternalError, Invalid
from buildd.text import storable

log = logging.getLogger(__name__)

_LENGTH = 1_000_000
_LINE = 2000
_WAITING = 1000
"""Messages that wait for the server at most; then the oldest are dropped and that is said."""


class Speech:
    """The messages of one attempt on their way to the server."""

    def __init__(self, client: AsyncClient, worker_id: str) -> None:
        self._client = client
        self._worker_id = worker_id
        self._queue: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._unheard = False
        self._more = anyio.Event()
        self._silent = anyio.Event()
        self._silent.set()
        self.last = ""
        """The last line that was said, or its beginning."""

    def say(self, content: str, **message: Any) -> None:
        """Put a message in line."""
        self.last = content.rstrip().rpartition("\n")[2][:_LINE] or self.last
        if self._unheard:
            return
        self._queue.append({"content": storable(content, _LENGTH), **message})
        while len(self._queue) > _WAITING:
            self._queue.popleft()
            self._dropped += 1
        self._silent = anyio.Event() if self._silent.is_set() else self._silent
        self._more.set()

    async def send(self) -> None:
        """Send what is said, for ever, or until the server does not take it any more."""
        try:
            while True:
                await self._more.wait()
                self._more = anyio.Event()
                while self._queue:
                    await self._send_one(self._next())
                self._silent.set()
        except BuilddError as problem:
            # The lease is over; its keeper will say so.
            log.debug("%s: not heard any more: %s", self._worker_id, problem)
            self._unheard = True
            self._silent.set()

    def _next(self) -> dict[str, Any]:
        if self._dropped:
            gone, self._dropped = self._dropped, 0
            return {
                "role": "system",
                "content": f"({gone} messages were lost while the server was away)",
            }
        return self._queue.popleft()

    async def _send_one(self, message: dict[str, Any]) -> None:
        try:
            await persist(
                lambda: self._client.messages.create(worker_id=self._worker_id, **message)
            )
        except (Invalid, InternalError) as problem:
            log.warning("%s: a message was not taken: %s", self._worker_id, problem)

    async def flush(self, seconds: float) -> None:
        """Wait until everything is said, but no longer than that."""
        with anyio.move_on_after(seconds):
            await self._silent.wait()
