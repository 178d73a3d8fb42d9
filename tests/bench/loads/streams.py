"""Very many readers of a stream, who only count, and somebody who has events happen at a pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Any

from tests.bench.loads.connection import Connection, post, run

_AT_ONCE = 50
_PATIENCE = 300.0
"""Seconds after the last event, within which whatever is to come has come."""


class Reader(asyncio.Protocol):
    """Counts the frames that reach it."""

    def __init__(self, heard: Callable[[int], None]) -> None:
        self.subscribed = asyncio.get_running_loop().create_future()
        self._heard = heard
        self._last = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It may ask."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """A piece of the stream. What marks a frame may be cut in two."""
        if not self.subscribed.done():
            if b": subscribed\n\n" in data:
                self.subscribed.set_result(True)
            elif not data.startswith(b"HTTP/1.1 2"):
                self.subscribed.set_result(False)
            return
        count = (self._last + data).count(b"\ndata: ")
        self._last = data[-6:]
        if count:
            self._heard(count)

    def connection_lost(self, exc: Exception | None) -> None:
        """It was refused, or cut off."""
        if not self.subscribed.done():
            self.subscribed.set_result(False)


class Tally:
    """What all readers have heard, until it is as much as is wanted."""

    def __init__(self) -> None:
        self.deliveries = 0
        self.wanted: float = inf
        self.last = time.perf_counter()
        self.complete = asyncio.Event()

    def add(self, count: int) -> None:
        """So many frames came."""
        self.deliveries += count
        self.last = time.perf_counter()
        if self.deliveries >= self.wanted:
            self.complete.set()


async def streams(asked: dict[str, Any]) -> dict[str, Any]:
    """Let `keys` read at `port`, one reader each, and have `events` happen, one each `pause` seconds."""
    tally = Tally()
    readers = await _readers(asked["port"], asked["keys"], tally.add)
    tally.wanted = asked["events"] * len(readers)
    used, began = time.process_time(), time.perf_counter()
    await (_ask_bare if asked["bare"] else _create)(asked)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            await tally.complete.wait()
    seconds = tally.last - began
    return {
        "readers": len(readers),
        "deliveries": tally.deliveries,
        "seconds": seconds,
        "load cores": (time.process_time() - used) / seconds,
    }


async def _readers(port: int, keys: list[str], heard: Callable[[int], None]) -> list[Reader]:
    """Those that were let in."""
    loop, gates = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)

    async def join(key: str) -> Reader | None:
        async with gates:
            _, reader = await loop.create_connection(lambda: Reader(heard), "127.0.0.1", port)
            reader.transport.write(
                f"GET /api/events?types=task:created HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                f"authorization: Bearer {key}\r\n\r\n".encode()
            )
            return reader if await reader.subscribed else None

    joined = await asyncio.gather(*map(join, keys))
    return [each for each in joined if each is not None]


async def _ask_bare(asked: dict[str, Any]) -> None:
    connection = await Connection.to(asked["port"])
    wanted = {name: asked[name] for name in ("events", "pause", "size")}
    await connection.send(post("/", "none", wanted))


async def _create(asked: dict[str, Any]) -> None:
    """Create a task for each event, at the pace, whatever the one before is waiting for."""
    connections = [await Connection.to(asked["port"]) for _ in range(8)]
    task = {"workspaceId": asked["workspace"], "title": "Fix the flaky test of the checkout"}
    request, began = post("/api/tasks", asked["keys"][0], task), time.perf_counter()

    async def create(connection: Connection, numbers: range) -> None:
        for number in numbers:
            await asyncio.sleep(max(0.0, began + number * asked["pause"] - time.perf_counter()))
            await connection.send(request)

    events, lanes = asked["events"], len(connections)
    created: list[Awaitable[None]] = [
        create(each, range(lane, events, lanes)) for lane, each in enumerate(connections)
    ]
    await asyncio.gather(*created)


if __name__ == "__main__":
    run(streams)
