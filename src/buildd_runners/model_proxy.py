"""A door to the model's API for programs that must not have its key: the key is added on the way.

It listens on loopback, in the agent's own process, for as long as one attempt lives. Who comes with
the attempt's token may talk to the model, and do nothing else with the account that pays.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

import anyio
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from buildd_runners.model_api import ModelApi

_PATHS = ("/v1/messages", "/v1/messages/count_tokens")
_OURS = frozenset({"authorization", "x-api-key", "host", "content-length"})
_ONE_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_LONGEST = 900.0
"""Seconds of silence in the middle of an answer; the API itself sends a ping much sooner."""
_CONNECT = 30.0
_LAST_WORDS = 1
"""Seconds for answers that are still on their way when the door closes."""


@dataclass(frozen=True)
class Door:
    """What a program is given in place of the API's address and key."""

    url: str
    token: str = field(repr=False)


_guest = ContextVar("guest", default=False)
"""Whether it is the proxy's own uvicorn that runs here; the log is shared by all of a process."""


def _not_the_guests(_record: logging.LogRecord) -> bool:
    # An answer that breaks off is for its reader to notice. A level would silence other servers too.
    return not _guest.get()


logging.getLogger("uvicorn.error").addFilter(_not_the_guests)


@contextlib.asynccontextmanager
async def model_proxy(api: ModelApi) -> AsyncIterator[Door]:
    """Open a door with a token of its own, and close it, with all that still talks, at the end."""
    token = secrets.token_urlsafe(32)
    timeout = httpx2.Timeout(_LONGEST, connect=_CONNECT)
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=timeout, limits=limits) as client:
        forwarder = _Forwarder(api, token, client)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with _serving(forwarder, listener):
                yield Door(f"http://127.0.0.1:{listener.getsockname()[1]}", token)


@contextlib.asynccontextmanager
async def _serving(forwarder: _Forwarder, listener: socket.socket) -> AsyncIterator[None]:
    paths = [Route(path, forwarder, methods=["POST"]) for path in _PATHS]
    server = _Guest(
        uvicorn.Config(
            Starlette(routes=paths),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_LAST_WORDS,
        )
    )

    async def serve() -> None:
        _guest.set(True)
        # Cancelled in the middle, uvicorn would leave its socket with the event loop, which then
        # takes the next file of the same number for it.
        with anyio.CancelScope(shield=True):
            await server.serve([listener])

    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        await server.ready.wait()
        try:
            yield
        except Exception as problem:  # noqa: BLE001 - raised again outside, where no group wraps it
            failure = problem
        finally:
            server.should_exit = True
    if failure is not None:
        raise failure


class _Guest(uvicorn.Server):
    """Uvicorn as a guest on the agent's event loop: signals stay the agent's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Forwarder:
    """Passes requests on, with the key in place of the token."""

    def __init__(self, api: ModelApi, token: str, client: httpx2.AsyncClient) -> None:
        self._api = api
        self._token = token
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the model does, as it does."""
        request = Request(scope, receive)
        if not self._admits(request):
            refusal = _refusal(401, "authentication_error", "not the token of this attempt")
            await refusal(scope, receive, send)
            return
        query = f"?{request.url.query}" if request.url.query else ""
        outgoing = self._client.build_request(
            "POST",
            f"{self._api.url.rstrip('/')}{request.url.path}{query}",
            headers={**_passed(request.headers, _OURS), **self._api.headers},
            content=await request.body(),
        )
        try:
            answer = await self._client.send(outgoing, stream=True)
        except httpx2.TransportError as problem:
            refusal = _refusal(502, "api_error", f"the model's API does not answer: {problem}")
            await refusal(scope, receive, send)
            return
        try:
            passed = StreamingResponse(
                answer.aiter_raw(), answer.status_code, _passed(answer.headers)
            )
            await passed(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await answer.aclose()

    def _admits(self, request: Request) -> bool:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        shown = request.headers.get("x-api-key") or bearer
        return secrets.compare_digest(shown.encode(), self._token.encode())


def _passed(headers: Mapping[str, str], besides: frozenset[str] = frozenset()) -> dict[str, str]:
    """The headers without those that are only for the next hop, or not to be passed on."""
    return {
        name: value for name, value in headers.items() if name.lower() not in _ONE_HOP | besides
    }


def _refusal(status: int, kind: str, message: str) -> JSONResponse:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return JSONResponse(error, status_code=status)
