"""Who is asking: a bearer credential, a browser's session, or, in local mode, whoever sits here.

A credential in a header is the only one that is looked at: a cookie, which browsers add to whatever
any page sends, gives it no rights and takes it none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from buildd import errors
from buildd.broker import ADMIN, Broker, Principal
from buildd_server import local_mode
from buildd_server.browsers import SAFE_METHODS, Browsers
from buildd_server.ratelimit import ASKED
from buildd_server.settings import Settings
from buildd_server.waiting import settled

EVENTS = "/api/events"
"""The one path at which a ticket opens something."""
TICKET = "ticket"
"""The parameter of its query that carries one."""


class Gate:
    """Finds the principal of a request."""

    def __init__(self, broker: Broker, settings: Settings) -> None:
        self.browsers = Browsers(settings.public_url)
        self._broker = broker
        self._may_be_local = settings.loopback and settings.admin_key is None

    async def is_local(self) -> bool:
        """Whether the server is in local mode now; minting an administrator's key ends it."""
        return self._may_be_local and not await settled(self._broker.has_admin_key())

    async def principal(self, request: HTTPConnection) -> Principal:
        """Who sent a request, by key, ticket or session. Raises `NotAuthenticated` or `Forbidden`."""
        if key_of(request) is None:
            ticket = _ticket_of(request)
            if ticket is not None:
                return await settled(self._broker.sessions.redeem(ticket))
            session = self.browsers.session_of(request)
            if session is not None:
                try:
                    return await self._of_browser(request, session)
                except errors.NotAuthenticated:
                    if not await self.is_local():
                        raise
        return await self.key_holder(request)

    async def key_holder(self, request: HTTPConnection) -> Principal:
        """Who sent a request where nothing but a key opens anything. Raises `NotAuthenticated`."""
        key = key_of(request)
        if key is not None:
            return await settled(self._broker.authenticate(key))
        if not await self.is_local():
            raise errors.NotAuthenticated("send a key as `Authorization: Bearer …`")
        reason = local_mode.refusal(request)
        if reason is not None:
            raise errors.NotAuthenticated(reason)
        return ADMIN

    async def _of_browser(self, request: HTTPConnection, session: str) -> Principal:
        principal = await settled(self._broker.sessions.admit(session))
        if request.scope["method"] not in SAFE_METHODS:
            self.browsers.check_origin(request)
        return principal


class Authenticated:
    """Puts the principal into the scope before anything else about a request is looked at."""

    def __init__(
        self, app: ASGIApp, find: Callable[[HTTPConnection], Awaitable[Principal]]
    ) -> None:
        self._app = app
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 (by raising) or pass the request on."""
        if scope["type"] == "http":
            scope[ASKED] = True
            scope["principal"] = await self._find(HTTPConnection(scope))
        await self._app(scope, receive, send)


def principal_of(request: HTTPConnection) -> Principal:
    """The caller that `Authenticated` found."""
    principal: Principal = request.scope["principal"]
    return principal


def key_of(request: HTTPConnection) -> str | None:
    """The key that a request came with. Raises `NotAuthenticated` for what cannot be one."""
    credential = request.headers.get("authorization")
    if credential is None:
        return None
    scheme, _, token = credential.partition(" ")
    try:
        # Starlette reads headers as Latin-1; an administrator's key may be any text.
        token = token.strip().encode("latin-1").decode()
    except UnicodeDecodeError:
        token = ""
    if scheme.lower() != "bearer" or not token:
        raise errors.NotAuthenticated("the Authorization header must be `Bearer` and a key")
    return token


def _ticket_of(request: HTTPConnection) -> str | None:
    reads = request.scope["method"] == "GET" and request.scope["path"] == EVENTS
    return request.query_params.get(TICKET) if reads else None
