"""What an attempt says, sent in order by its own loop: a slow server never stops the work.

Whatever waits is sent together. A batch has a key, so that it is said once even if the answer to it is lost.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from typing import Any

import anyio
from pydantic import ValidationError

from buildd.agent.retry import persist
from buildd.client import AsyncClient
from buildd.errors import BuilddError, InternalError, Invalid
from buildd.models import Role
from buildd.operations import BatchedMessage
from buildd.operations.records import MAX_MESSAGES
from buildd.text import storable
from buildd.wire import invalid

log = logging.getLogger(__name__)

_LENGTH = 1_000_000
_LINE = 2000
_WAITING = 1000
"""Messages that wait for the server at most; then the oldest are dropped and that is said."""
_TOGETHER = 256 * 1024
"""Bytes that are sent together at most, but for one message that is larger.

A server takes more, but over a slow link what breaks off must be sent again as a whole.
"""


class Speech:
    """The messages of one attempt on their way to the server."""

    def __init__(self, client: AsyncClient, worker_id: str) -> None:
        self._client = client
        self._worker_id = worker_id
        self._queue: deque[BatchedMessage] = deque()
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
        try:
            self._queue.append(BatchedMessage(content=storable(content, _LENGTH), **message))
        except ValidationError as problem:
            self._not_taken(invalid(problem))
            return
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
                    await self._send(self._next())
                self._silent.set()
        except BuilddError as problem:
            # The lease is over; its keeper will say so.
            log.debug("%s: not heard any more: %s", self._worker_id, problem)
            self._unheard = True
            self._silent.set()

    def _next(self) -> list[BatchedMessage]:
        """The oldest messages, as many as may go together."""
        batch: list[BatchedMessage] = []
        size = 0
        if self._dropped:
            gone, self._dropped = self._dropped, 0
            said = f"({gone} messages were lost while the server was away)"
            batch.append(BatchedMessage(role=Role.SYSTEM, content=said))
        while self._queue and len(batch) < MAX_MESSAGES:
            size += len(self._queue[0].model_dump_json(exclude_unset=True).encode())
            if batch and size > _TOGETHER:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _send(self, batch: list[BatchedMessage]) -> None:
        """Have a batch heard; if it is refused, one half after the other, down to what is wrong."""
        key = secrets.token_hex(16)
        try:
            await persist(
                lambda: self._client.messages.create_many(
                    worker_id=self._worker_id, messages=batch, idempotency_key=key
                )
            )
        except (Invalid, InternalError) as problem:
            if len(batch) == 1:
                self._not_taken(problem)
                return
            half = len(batch) // 2
            for part in (batch[:half], batch[half:]):
                await self._send(part)

    def _not_taken(self, problem: BuilddError) -> None:
        log.warning("%s: a message was not taken: %s", self._worker_id, problem)

    async def flush(self, seconds: float) -> None:
        """Wait until everything is said, but no longer than that."""
        with anyio.move_on_after(seconds):
            await self._silent.wait()
