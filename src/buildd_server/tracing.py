"""A span for every request, part of its caller's trace; only put before the app where traces are wanted."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from buildd import tracing
from buildd_server.origin import REQUEST_ID
from buildd_server.watching import Exchange

_QUIET = ("/health", "/ready", "/metrics", "/events", "/heartbeat")
"""How paths end of which there would be a span every few seconds, or one for as long as somebody listens."""


class Traced:
    """Draws the spans."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, as part of a span."""
        if scope["type"] != "http" or scope["path"].endswith(_QUIET):
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope)
        parent = tracing.understood(Headers(scope=scope).get(tracing.HEADER))
        with tracing.span(exchange.method, parent=parent, server=True) as span:

            async def watching(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.tell(status=message["status"])
                await send(message)

            try:
                await self._app(scope, receive, watching)
            finally:
                span.rename(f"{exchange.method} {exchange.route}")
                span.tell(request=scope.get(REQUEST_ID))
