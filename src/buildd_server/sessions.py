"""`/api/auth/session` and `/api/auth/ticket`: browsers log in with a key, and out, and listen.

No other site's page can log a browser in: it takes a header, which a form cannot send and a script
only where the server allows it, and ours allows nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from buildd import errors, wire
from buildd.broker import Broker, Principal, PrincipalKind
from buildd.events import Filter
from buildd.models._model import Id, Model, Time
from buildd.scopes import Scope
from buildd_server.auth import Gate, key_of, principal_of
from buildd_server.bodies import read_body
from buildd_server.endpoints import JSON_HEADERS, PREFIX
from buildd_server.origin import origin_of
from buildd_server.waiting import settled

SESSION = f"{PREFIX}/auth/session"
TICKET = f"{PREFIX}/auth/ticket"
_BODY = 10_000


class Caller(Model):
    """Who is logged in: an administrator, or an account by one of its keys."""

    kind: str
    account_id: Id | None = None
    key_id: Id | None = None
    scopes: list[Scope]
    expires_at: Time | None = None
    """When the session ends unless it is used before, or the key does; none is for ever."""


class Ticket(Model):
    """What opens one stream of events, once."""

    ticket: str
    expires_at: Time


class CreateTicket(Filter):
    """The events that a ticket is to be for: the stream's query must say the same."""

    model_config = ConfigDict(extra="forbid")


def session_routes(broker: Broker, gate: Gate) -> Iterator[Route]:
    """The routes, below the API's prefix."""

    async def log_in(request: Request) -> Response:
        if key_of(request) is None:
            raise errors.NotAuthenticated("log in with a key, as `Authorization: Bearer …`")
        gate.browsers.check_login(request)
        made = await settled(broker.sessions.begin(principal_of(request), origin_of(request)))
        answer = _json(_caller(principal_of(request), made.expires_at), 201)
        gate.browsers.remember(answer, made.secret)
        return answer

    async def tell(request: Request) -> Response:
        principal = principal_of(request)
        return _json(_caller(principal, principal.expires_at))

    async def log_out(request: Request) -> Response:
        principal = principal_of(request)
        if principal.session is None:
            raise errors.NotFound("this request came with no session")
        await settled(broker.sessions.end(principal, origin_of(request)))
        answer = Response(status_code=204, headers=JSON_HEADERS)
        gate.browsers.forget(answer)
        return answer

    async def make_ticket(request: Request) -> Response:
        wanted = _wanted(await read_body(request, _BODY))
        made = await settled(broker.sessions.issue_ticket(principal_of(request), wanted))
        return _json(Ticket(ticket=made.secret, expires_at=made.expires_at), 201)

    verbs = {"POST": log_in, "GET": tell, "HEAD": tell, "DELETE": log_out}

    async def session(request: Request) -> Response:
        return await verbs[request.method](request)

    # One route for them all, so that a 405 tells all that there is.
    yield Route(SESSION.removeprefix(PREFIX), session, methods=[*verbs])
    yield Route(TICKET.removeprefix(PREFIX), make_ticket, methods=["POST"])


def _caller(principal: Principal, expires_at: datetime | None) -> Caller:
    if principal.kind not in {PrincipalKind.ADMIN, PrincipalKind.ACCOUNT}:
        raise errors.Forbidden("this needs an account key or an administrator")
    return Caller(
        kind=principal.kind.value,
        account_id=principal.account_id,
        key_id=principal.key_id,
        scopes=sorted(principal.scopes),
        expires_at=expires_at,
    )


def _wanted(body: bytes) -> Filter:
    try:
        asked = CreateTicket.model_validate_json(body or b"{}", by_alias=True, by_name=False)
    except ValidationError as problem:
        raise wire.invalid(problem) from None
    return Filter.model_validate(asked.model_dump(by_alias=False))


def _json(answer: Model, status: int = 200) -> Response:
    body = answer.model_dump_json(by_alias=True)
    return Response(body, status, JSON_HEADERS, "application/json")
