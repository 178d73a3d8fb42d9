"""Files over HTTP: bytes in and out as they come, never as a whole in memory, and nothing that runs.

A file is what a stranger made, on the address on which people are logged in: it is handed out as an
attachment without a type of its own, but for pictures and plain text, and in a sandbox anyway.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote

import pydantic_core
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from buildd import errors, wire
from buildd.blobs import PIECE
from buildd.broker import Broker, Content, Reception
from buildd.filenames import plain
from buildd.operations import TRANSFERS, Download, Transfer, Upload
from buildd_server.auth import principal_of
from buildd_server.endpoints import HOMES, JSON_HEADERS, PREFIX, query_of
from buildd_server.origin import origin_of
from buildd_server.waiting import settled

SHOWN = {
    "image/gif": "image/gif",
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/webp": "image/webp",
    "text/plain": "text/plain; charset=utf-8",
}
"""What a browser may show where it is: nothing of it can run."""
OTHER = "application/octet-stream"
PATIENCE = 60
"""Seconds for the next piece to arrive, or to be taken."""
AT_ONCE = 256
"""Uploads under way in one server."""
_SAFE = {
    "cache-control": "private, no-store",
    "content-security-policy": "sandbox; default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_ATTR_CHAR = "!#$&+-.^_`|~"
"""What RFC 5987 leaves as it is, besides letters and digits."""


def file_routes(broker: Broker) -> Iterator[Route]:
    """A route for each way of a file, in or out."""
    room = asyncio.Semaphore(AT_ONCE)
    for transfer in TRANSFERS:
        path = transfer.http.path.removeprefix(PREFIX)
        way: Any = _Upload if issubclass(transfer, Upload) else _Download
        yield Route(path, way(transfer, broker, room).answer, methods=[transfer.http.method])


class _Upload:
    """A file on its way in."""

    def __init__(self, kind: type[Upload[Any]], broker: Broker, room: asyncio.Semaphore) -> None:
        self._kind = kind
        self._broker = broker
        self._room = room

    async def answer(self, request: Request) -> Response:
        upload = _decoded(self._kind, request)
        if self._room.locked():
            raise errors.Unavailable(f"{AT_ONCE} files are being uploaded already")
        async with self._room:
            size = _declared(request)
            received = self._broker.receive(upload, principal_of(request), size, origin_of(request))
            with await settled(received) as reception:
                await _take(request, reception)
                result = await asyncio.to_thread(reception.commit)
        home = HOMES.get(result.id.partition("_")[0])
        location = {"location": f"{home}/{result.id}"} if home else {}
        return Response(
            pydantic_core.to_json(result, by_alias=True),
            upload.http.status,
            {**JSON_HEADERS, **location},
            "application/json",
        )


class _Download:
    """A file on its way out."""

    def __init__(self, kind: type[Download], broker: Broker, _room: object) -> None:
        self._kind = kind
        self._broker = broker

    async def answer(self, request: Request) -> Response:
        download = _decoded(self._kind, request)
        found = await settled(self._broker.open_file(download, principal_of(request)))
        headers = content_headers(found)
        if request.method == "HEAD":
            return Response(headers=headers)
        return _FileResponse(await asyncio.to_thread(found.open), headers)


class _FileResponse(StreamingResponse):
    """A file, read as fast as its reader takes it, and closed whatever happens."""

    def __init__(self, file: BinaryIO, headers: Mapping[str, str]) -> None:
        self._file = file
        super().__init__(self._pieces(), headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def patiently(message: Message) -> None:
            async with asyncio.timeout(PATIENCE):
                await send(message)

        try:
            await super().__call__(scope, receive, patiently)
        finally:
            self._file.close()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while data := await asyncio.to_thread(self._file.read, PIECE):
            yield data


def content_headers(content: Content) -> dict[str, str]:
    """How a file is handed out, so that no browser runs it and no name leads anywhere."""
    shown = content.mime_type in SHOWN
    headers = {
        **_SAFE,
        "content-type": SHOWN.get(content.mime_type, OTHER),
        "content-length": str(content.size),
        "content-disposition": _disposition(content.filename, shown=shown),
    }
    if content.digest is not None:
        digest = base64.b64encode(bytes.fromhex(content.digest)).decode()
        headers["repr-digest"] = f"sha-256=:{digest}:"
    return headers


def _disposition(filename: str, *, shown: bool) -> str:
    name = plain(filename)
    ascii_only = "".join(each if each.isascii() and each not in '"%' else "_" for each in name)
    kind = "inline" if shown else "attachment"
    return f"{kind}; filename=\"{ascii_only}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHAR)}"


def _decoded(kind: type[Any], request: Request) -> Any:
    if b"%2f" in request.scope["raw_path"].lower():
        raise errors.NotFound
    transfer: Transfer = wire.decode(
        kind, request.path_params, query_of(request), b"", request.headers
    )
    return transfer


def _declared(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


async def _take(request: Request, reception: Reception[Any]) -> None:
    chunks = request.stream()
    while True:
        try:
            async with asyncio.timeout(PATIENCE):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise errors.Unavailable(f"nothing came for {PATIENCE} seconds") from None
        if chunk is None:
            return
        await asyncio.to_thread(reception.write, chunk)
