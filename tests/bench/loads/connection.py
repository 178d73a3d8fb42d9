"""One keep-alive connection that asks one thing at a time, with as little work as that takes.

What makes the load shares the machine with what is measured, so no HTTP library stands in between.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import uvloop
from pydantic_core import from_json, to_json

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Connection(asyncio.Protocol):
    """A client's side of a connection."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def to(cls, port: int) -> Connection:
        """Connect to a port of this machine."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", port)
        return connection

    async def post(self, path: str, key: str, body: Any) -> Any:
        """What a POST answers, which must have gone well."""
        return from_json(await self.send(post(path, key, body)))

    def send(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request that is ready; the body of its answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Hang up."""
        assert self._transport is not None
        self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It stands."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        received = self._received = self._received + data if self._received else data
        head = received.find(_END)
        if head < 0:
            return
        at = received.lower().find(_LENGTH, 0, head) + len(_LENGTH)
        length = int(received[at : received.index(b"\r", at)])
        if len(received) < head + len(_END) + length:
            return
        self._received = b""
        answer, self._answer = self._answer, None
        if answer is None or answer.cancelled():
            return
        if received[9:10] == b"2":
            answer.set_result(received[head + len(_END) :])
        else:
            answer.set_exception(RuntimeError(received.decode()))

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server has hung up"))


def post(path: str, key: str, body: Any, *headers: bytes) -> bytes:
    """A request, ready to be sent."""
    content, more = to_json(body), b"".join(b"%b\r\n" % each for each in headers)
    return (
        b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n%b"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (path.encode(), key.encode(), more, len(content), content)
    )


def run(work: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """Do what standard input asks for, and tell what came of it, with the work that it was itself."""

    async def working() -> dict[str, Any]:
        return dict(await work(json.load(sys.stdin)))

    answer = uvloop.run(working())
    times = psutil.Process().cpu_times()
    json.dump({**answer, "load CPU s": times.user + times.system}, sys.stdout)
