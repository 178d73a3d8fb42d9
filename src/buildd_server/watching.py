"""One look at every exchange, as it goes by: what metrics count, the log tells and traces show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from buildd.broker import Principal
from buildd.operations import Method
from buildd_server.addresses import client_address
from buildd_server.origin import REQUEST_ID

NO_ROUTE = "none"
_METHODS = {*Method, "HEAD", "OPTIONS"}


@dataclass(eq=False)
class Exchange:
    """One request with its answer. A request without an answer, because its client left, has status 0."""

    scope: Scope
    status: int = 0
    bytes: int = 0
    """How much of a body was answered."""
    waited: float = 0.0
    """Seconds until the answer began."""
    seconds: float = 0.0
    """Seconds until it was complete."""

    @property
    def method(self) -> str:
        """A method that we know of, or `other`."""
        method: str = self.scope["method"]
        return method if method in _METHODS else "other"

    @property
    def path(self) -> str:
        """The path as it was sent, percent-encoded and without its query."""
        raw: bytes = self.scope["raw_path"]
        return raw.decode("latin-1")

    @property
    def route(self) -> str:
        """The template of the path; `none` where there is nothing at it."""
        route = self.scope.get("route")
        if not isinstance(route, Route):
            return NO_ROUTE
        return f"{self.scope.get('root_path', '')}{route.path}"

    def caller(self) -> dict[str, str | None]:
        """Who asked, from where, as far as it is known."""
        who = self.scope.get("principal")
        known = who if isinstance(who, Principal) else None
        return {
            "requestId": self.scope.get(REQUEST_ID),
            "address": client_address(self.scope),
            "caller": known.kind.value if known else None,
            "account": known.account_id if known else None,
            "key": known.key_id if known else None,
        }


class Watched:
    """The app, with watchers that are told of every exchange when it is over."""

    def __init__(self, app: ASGIApp, watchers: Sequence[Callable[[Exchange], None]]) -> None:
        self._app = app
        self._watchers = watchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and watch its answer go by."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        exchange, began = Exchange(scope), perf_counter()
        # A request runs in a context of its own: what is logged in it is its own.
        bind_contextvars(requestId=scope.get(REQUEST_ID))

        async def watching(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.waited = perf_counter() - began
            elif message["type"] == "http.response.body":
                exchange.bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watching)
        except Exception:
            exchange.status = exchange.status or 500  # The error page is written outside of this.
            raise
        finally:
            exchange.seconds = perf_counter() - began
            exchange.waited = exchange.waited or exchange.seconds
            for tell in self._watchers:
                tell(exchange)
