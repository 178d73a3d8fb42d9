"""`/mcp`: the broker's tools for agents elsewhere that speak MCP, under the keys of the API.

Each POST stands for itself: no session is kept, so any server of a broker may get any of them.
"""

from __future__ import annotations

import importlib.util
from http import HTTPStatus

import anyio
import anyio.to_thread
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from buildd import errors, wire
from buildd.broker import Broker
from buildd.client import AsyncClient
from buildd.client._embedded import AsyncEmbeddedTransport, Embedding
from buildd.mcp.leases import PATIENCE, Leases
from buildd.mcp.tools import Caller
from buildd_server.auth import key_of
from buildd_server.bodies import read_body
from buildd_server.endpoints import JSON_HEADERS
from buildd_server.origin import origin_of
from buildd_server.waiting import Shutdown, disconnected

PATH = "/mcp"


class McpEndpoint:
    """Answers one JSON-RPC message per POST, as whoever the key belongs to."""

    def __init__(self, broker: Broker, shutdown: Shutdown) -> None:
        self._broker = broker
        self._shutdown = shutdown
        self._leases = Leases(PATIENCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless the client hangs up or the server stops: then nothing is claimed for it."""
        request = Request(scope, receive)
        if request.method != "POST":
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"allow": "POST"})
        if importlib.util.find_spec("mcp") is None:
            raise errors.NotConfigured("this server has no MCP: pip install 'buildd[mcp]' there")
        body = await read_body(request)
        wire.check_values(body)
        begun = anyio.Event()
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await disconnected(request)
                group.cancel_scope.cancel()

            group.start_soon(watch)
            with self._shutdown.calling(group.cancel_scope.cancel):
                await self._exchange(request, body, _guarded(send, begun))
            group.cancel_scope.cancel()
        if not begun.is_set():
            raise errors.Unavailable("the server is shutting down")

    async def _exchange(self, request: Request, body: bytes, send: Send) -> None:
        # It takes a second to load, which only servers whose users speak MCP spend, and no other waits.
        await anyio.to_thread.run_sync(_load)
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        from buildd.mcp.protocol import server_of

        embedding = Embedding(self._broker, origin_of(request))
        transport = AsyncEmbeddedTransport(embedding, key_of(request))
        server = server_of(Caller(AsyncClient(transport), self._leases))
        manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request(request.scope, _replayed(body), send)


def _load() -> None:

    import buildd.mcp.protocol  # noqa: F401


def _replayed(body: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop()

    return receive


def _guarded(send: Send, begun: anyio.Event) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.set()
            MutableHeaders(scope=message).update(JSON_HEADERS)
        await send(message)

    return with_headers
