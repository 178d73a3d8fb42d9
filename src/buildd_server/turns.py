"""Who has something to send takes turns: a few at a time, and no more than half of the loop's time.

Very many streams would otherwise write all the time, a frame each, while the requests wait of which the
frames tell. As it is, what comes faster than all have had their turn leaves together.
"""

from __future__ import annotations

import asyncio
from collections import deque

from buildd.clock import elapsed

MOST_TURNS = 10_000
"""Turns in a second, of all together: of a hundred streams each has one every 10 ms, of five thousand every
half a second, or later if a turn takes more than half of its time."""
AT_ONCE = 50


class Turns:
    """Wakes those who wait for a turn, first come first."""

    def __init__(self) -> None:
        self._queue: deque[Turn] = deque()
        self._going: asyncio.Task[None] | None = None

    def join(self, turn: Turn) -> None:
        """Stand at the end. Called on the event loop."""
        self._queue.append(turn)
        if self._going is None or self._going.done():
            self._going = asyncio.create_task(self._go())

    async def _go(self) -> None:
        while self._queue:
            some = [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]
            began = elapsed()
            for turn in some:
                turn.take()
            await asyncio.sleep(0)  # By then each has had its turn, if it could.
            took = elapsed() - began
            await asyncio.sleep(max(len(some) / MOST_TURNS - took, took))


class Turn:
    """One stream's turn, which it asks for again and again."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self._taken = asyncio.Event()
        self._asked = False

    def ask(self) -> None:
        """Ask for one, from any thread."""
        # The feed may ask once more while the server's loop is already closed.
        if not self._asked and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.join)

    def join(self) -> None:
        """Ask for one, on the event loop; who has asked already has one coming."""
        if not self._asked:
            self._asked = True
            self._turns.join(self)

    def take(self) -> None:
        """Have it now."""
        self._asked = False
        self._taken.set()

    async def wait(self) -> None:
        """Until it comes."""
        await self._taken.wait()
        self._taken.clear()
