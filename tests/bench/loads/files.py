"""One large file, sent to a server or taken from it, piece by piece and as fast as it goes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.bench.loads.connection import run

PIECE = bytes(range(256)) * 1024
"""256 kB."""


async def files(asked: dict[str, Any]) -> dict[str, Any]:
    """A `method` at `path` of `port` with `key`; `size` bytes go out with a POST."""
    reader, writer = await asyncio.open_connection("127.0.0.1", asked["port"], limit=1 << 20)
    began = time.perf_counter()
    size = asked["size"] if asked["method"] == "POST" else 0
    lines = (
        f"{asked['method']} {asked['path']} HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Bearer {asked['key']}",
        "content-type: application/octet-stream",
        f"content-length: {size}",
    )
    writer.write("\r\n".join([*lines, "", ""]).encode())
    for at in range(0, size, len(PIECE)):
        writer.write(PIECE[: size - at])
        await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    if head[9] != "2":
        raise RuntimeError(head + (await reader.read(1 << 16)).decode())
    length = int(head.partition("content-length: ")[2].partition("\r")[0])
    first = await _body(reader, length)
    writer.close()
    return {"seconds": time.perf_counter() - began, "bytes": length, "answer": first}


async def _body(reader: asyncio.StreamReader, length: int) -> str:
    """Read it all; what it begins with, if it is short."""
    first, left = b"", length
    while left:
        piece = await reader.read(1 << 20)
        assert piece, "the server has hung up"
        left -= len(piece)
        first = first or piece
    return first.decode() if length < len(PIECE) else ""


if __name__ == "__main__":
    run(files)
