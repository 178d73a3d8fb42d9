"""Who is asking: a bearer credential, or, in local mode, whoever sits at this machine."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from buildd import errors
from buildd.broker import ADMIN, Broker, Principal
from buildd_server import local_mode
from buildd_server.settings import Settings
from buildd_server.waiting import settled


class Gate:
    """Finds the principal of a request."""

    def __init__(self, broker: Broker, settings: Settings) -> None:
        self._broker = broker
        self._may_be_local = settings.loopback and settings.admin_key is None

    async def is_local(self) -> bool:
        """Whether the server is in local mode now; minting an administrator's key ends it."""
        return self._may_be_local and not await settled(self._broker.has_admin_key())

    async def principal(self, request: HTTPConnection) -> Principal:
        """Who sent a request. Raises `NotAuthenticated`."""
        key = key_of(request)
        if key is not None:
            return await settled(self._broker.authenticate(key))
        if not await self.is_local():
            raise errors.NotAuthenticated("send a key as `Authorization: Bearer …`")
        reason = local_mode.refusal(request)
        if reason is not None:
            raise errors.NotAuthenticated(reason)
        return ADMIN


class Authenticated:
    """Puts the principal into the scope before anything else about a request is looked at."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 (by raising) or pass the request on."""
        if scope["type"] == "http":
            scope["principal"] = await self._gate.principal(HTTPConnection(scope))
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
