"""The limits of streams, files and waiting requests: a server that does nothing else.

Files and waiting requests go through Starlette and uvicorn as ours do; a stream is bytes that are ready,
written to every connection by the loop itself.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import uvicorn
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

FILE = Path("file-of-the-bare-server")
"""In the directory of the run, as the files of the other servers are."""
_DONE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


class Stream(asyncio.Protocol):
    """A reader of the stream, or, if it sends a POST, who has something written to all readers."""

    readers: set[asyncio.Transport] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the request."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.readers.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """A request, which comes in one piece."""
        body = data.partition(b"\r\n\r\n")[2]
        if data.startswith(b"POST / "):
            self._writing = asyncio.create_task(self._write(**from_json(body)))
        elif data.startswith(b"POST"):
            self._transport.write(_DONE)
            for reader in self.readers:
                reader.write(b"id: 1\ndata: " + body + b"\n\n")
        else:
            self.readers.add(self._transport)
            self._transport.write(_STREAM + b": subscribed\n\n")

    async def _write(self, events: int, pause: float, size: int) -> None:
        self._transport.write(_DONE)
        frame = b"id: 1\ndata: " + b"x" * (size - len(b"id: 1\ndata: \n\n")) + b"\n\n"
        began = time.monotonic()
        for number in range(events):
            # At the pace, however long it takes to write: the events of others do not wait either.
            await asyncio.sleep(max(0.0, began + number * pause - time.monotonic()))
            for reader in self.readers:
                reader.write(frame)


async def upload(request: Request) -> Response:
    """Keep a body as it comes."""
    with FILE.open("wb") as file:
        async for piece in request.stream():
            file.write(piece)
    return Response("{}")


async def download(request: Request) -> Response:
    """What was kept."""
    return FileResponse(FILE)


async def wait(request: Request) -> Response:
    """An answer when it is asked for."""
    await asyncio.sleep(from_json(await request.body())["waitSeconds"])
    return Response("{}")


@asynccontextmanager
async def _stream_too(app: Starlette) -> AsyncIterator[None]:
    server = await asyncio.get_running_loop().create_server(Stream, "127.0.0.1", 0, backlog=2048)
    app.state.stream = server.sockets[0].getsockname()[1]
    async with server:
        yield


async def stream(request: Request) -> Response:
    """The port at which there is a stream."""
    return Response(str(request.app.state.stream))


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--database", required=True)
def main(port: int, database: str) -> None:
    """Serve; the database is there for the sake of others, who have one."""
    app = Starlette(
        routes=[
            Route("/file", upload, methods=["POST"]),
            Route("/file", download),
            Route("/wait", wait, methods=["POST"]),
            Route("/stream", stream),
        ],
        lifespan=_stream_too,
    )
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    click.echo(f"listens on http://127.0.0.1:{listener.getsockname()[1]} ")
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
