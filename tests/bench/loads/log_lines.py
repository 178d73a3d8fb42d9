"""What attempts say, line by line or in batches, and one reader of the feed who hears all of it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from tests.bench.loads.connection import Connection, post, run

LINE = "2026-01-31T08:00:00Z  tests/test_checkout.py::test_total[3 items, no voucher] PASSED"


async def log_lines(asked: dict[str, Any]) -> dict[str, Any]:
    """Say `lines` under the leases of `workers`, pairs of an id and a token; `key` is the reader's.

    With `batch` as many at a time, as an agent says what waits; else each with a request of its own.
    """
    port = asked["port"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(
        "GET /api/events?types=worker:message HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: Bearer {asked['key']}\r\n\r\n".encode()
    )
    await reader.readuntil(b": subscribed\n\n")
    hearing = asyncio.create_task(_hear(reader, asked["lines"]))
    left, began = iter(range(asked["lines"])), time.perf_counter()
    speakers = (
        _say_many(port, worker, token, left, asked["batch"])
        if "batch" in asked
        else _say(port, worker, token, left)
        for worker, token in asked["workers"]
    )
    await asyncio.gather(*speakers)
    said = time.perf_counter() - began
    await hearing
    writer.close()
    return {"said": said, "heard": time.perf_counter() - began}


async def _say(port: int, worker: str, token: str, left: Iterator[int]) -> None:
    connection = await Connection.to(port)
    line = post(f"/api/workers/{worker}/messages", token, {"content": LINE})
    for _ in left:
        await connection.send(line)


async def _say_many(port: int, worker: str, token: str, left: Iterator[int], most: int) -> None:
    connection = await Connection.to(port)
    path = f"/api/workers/{worker}/messages/batch"
    while batch := [{"content": LINE} for _ in islice(left, most)]:
        once = b"idempotency-key: " + secrets.token_hex(16).encode()
        await connection.send(post(path, token, {"messages": batch}, once))


async def _hear(reader: asyncio.StreamReader, lines: int) -> None:
    rest = b""
    while lines:
        piece = await reader.read(1 << 20)
        assert piece, "the server has hung up"
        *whole, rest = (rest + piece).split(b"\n")
        lines -= sum(each.startswith(b"data: ") for each in whole)


if __name__ == "__main__":
    run(log_lines)
