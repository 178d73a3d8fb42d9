"""Bodies as they come in: nobody may be too slow with one, and only so much of them is held at a time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from buildd import errors, wire
from buildd_server.ratelimit import CHARGE, Room, sharer

GRACE_SECONDS = 20.0
SLOWEST = 1024
"""Bytes per second that a body must come with, once the grace is used up."""
MOST_HELD, EACH_HELD = 64 * 1024 * 1024, 28 * 1024 * 1024
"""Bytes that wait in memory for the rest of their bodies: all together, and of one caller."""
_HELD = "buildd.held"


class Bodies:
    """Watches the body of every request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._room = Room(MOST_HELD, EACH_HELD, "bytes on their way here")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; what was held for it is let go with its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[_HELD] = held = _Held(self._room)
        try:
            await self._app(scope, _Patience(receive), send)
        finally:
            held.let_go()


async def read_body(request: Request, limit: int = wire.BODY_LIMIT) -> bytes:
    """The body, counted while it streams in. Raises `TooLarge`; `RateLimited`, `Unavailable` if full."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise errors.TooLarge(f"the body is larger than {limit} bytes")
    held: _Held | None = request.scope.get(_HELD)
    body = bytearray()
    try:
        async for chunk in request.stream():
            if held is not None:
                held.take(sharer(request.scope), len(chunk))
            body += chunk
            if len(body) > limit:
                raise errors.TooLarge(f"the body is larger than {limit} bytes")
    finally:
        request.scope.get(CHARGE, _nothing)(len(body))
    return bytes(body)


def _nothing(_size: int) -> None:
    """Where nothing is limited."""


class _Held:
    """What one request has in memory."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._who: str | None = None
        self._count = 0

    def take(self, who: str, count: int) -> None:
        if count:
            self._room.take(who, count)
            self._who, self._count = who, self._count + count

    def let_go(self) -> None:
        if self._who is not None:
            self._room.give_back(self._who, self._count)


class _Patience:
    """Receives a body as long as it comes fast enough. Raises what becomes a 408."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = GRACE_SECONDS
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._left):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "the body comes too slowly") from None
        self._complete = not message.get("more_body", False)
        self._left += len(message.get("body", b"")) / SLOWEST - (loop.time() - began)
        return message
