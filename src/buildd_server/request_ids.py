"""What each request gets before anything looks at it: an id to be found by, and an address."""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from buildd.ids import secret_kind
from buildd_server.addresses import ADDRESS, Proxies, seen_through
from buildd_server.origin import REQUEST_ID

HEADER = "X-Request-Id"
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id(scope: Scope) -> str | None:
    """The id of a request, if it went through `Arriving`."""
    found: str | None = scope.get(REQUEST_ID)
    return found


class Arriving:
    """Names each request, and its answer: as its caller named it, if that may stand in a log."""

    def __init__(self, app: ASGIApp, trusted: Proxies) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the two into the scope, and the id into the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(HEADER, "")
        # It stands in the audit log, from which nothing is ever removed.
        fit = _USABLE.fullmatch(asked) and secret_kind(asked) is None
        named = asked if fit else secrets.token_hex(16)
        scope[REQUEST_ID] = named
        scope[ADDRESS] = seen_through(self._trusted, scope)

        async def naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = named
            await send(message)

        await self._app(scope, receive, naming)
