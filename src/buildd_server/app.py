"""The app: routes from the operation table, the few written by hand, and what stands before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from http import HTTPStatus
from threading import Lock

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from buildd.broker import Broker
from buildd.tracing import tracer
from buildd_server.auth import Authenticated, Gate
from buildd_server.bodies import Bodies
from buildd_server.dashboard import dashboard_routes
from buildd_server.docs import PAGE_HEADERS, docs_page
from buildd_server.endpoints import PREFIX, operation_routes
from buildd_server.files import file_routes
from buildd_server.health import health_routes
from buildd_server.mcp import PATH as MCP
from buildd_server.mcp import McpEndpoint
from buildd_server.metrics import Metrics
from buildd_server.oidc import login_routes
from buildd_server.openapi import document_json
from buildd_server.problems import HANDLERS
from buildd_server.ratelimit import RateLimits
from buildd_server.request_ids import Arriving
from buildd_server.schemas import Schemas
from buildd_server.sessions import session_routes
from buildd_server.settings import Settings
from buildd_server.sse import event_routes
from buildd_server.tracing import Traced
from buildd_server.waiting import Shutdown
from buildd_server.watching import Exchange, Watched
from buildd_server.webhooks import webhook_routes


def create_app(
    broker: Broker, settings: Settings, access_log: Callable[[Exchange], None] | None = None
) -> Starlette:
    """The server of an open broker. `app.state.shutdown.begin()` ends the streams before a stop."""
    shutdown, metrics, gate = Shutdown(), Metrics(broker), Gate(broker, settings)
    watchers = [metrics.note, *([access_log] if access_log else [])]
    opened = [
        *_pages(),
        *login_routes(broker, settings.github_issuer),
        *webhook_routes(broker),
    ]
    api = Router(
        [
            *operation_routes(broker, shutdown),
            *session_routes(broker, gate),
            *event_routes(broker, shutdown),
            *file_routes(broker),
        ]
    )
    app = Starlette(
        routes=[
            # The API before the pages, which are asked for less often.
            *opened,
            Mount(PREFIX, Authenticated(api, gate.principal)),
            Route(MCP, Authenticated(McpEndpoint(broker, shutdown), gate.key_holder)),
            *health_routes(broker, metrics, shutdown),
            *dashboard_routes(),
        ],
        middleware=[
            Middleware(Arriving, settings.trusted_proxies),
            Middleware(Watched, watchers),
            *_rate_limits(settings, gate.browsers.cookie),
            Middleware(Bodies),
            *([Middleware(Traced)] if tracer() else []),
        ],
        exception_handlers=HANDLERS,
    )
    api.default = _beyond(opened, api.default)
    # A redirect would answer before the key is looked at, and lose the body of a POST.
    api.redirect_slashes = app.router.redirect_slashes = False
    app.state.shutdown = shutdown
    return app


def _beyond(opened: Sequence[Route], nothing: ASGIApp) -> ASGIApp:
    """What answers below the API's prefix where no route does.

    An open route that is asked with a method which it does not take ends up there, too.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        for route in opened:
            if route.path_regex.match(scope["path"]):
                allow = ", ".join(sorted(route.methods or ()))
                raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"allow": allow})
        await nothing(scope, receive, send)

    return answer


def _rate_limits(settings: Settings, cookie: str) -> Iterator[Middleware]:
    if settings.rate_limit:
        # Where no key is asked for, the owner is the stranger.
        local = settings.loopback and settings.admin_key is None
        yield Middleware(RateLimits, settings.rate_limit, cookie, strangers=not local)


def _pages() -> Iterator[Route]:
    # No coroutines: Starlette has a thread draw them up, while the loop serves others.
    def openapi_json(_request: Request) -> Response:
        with _drawing:
            return Response(_document(), media_type="application/json")

    def docs_html(_request: Request) -> Response:
        with _drawing:
            return HTMLResponse(_docs(), headers=PAGE_HEADERS)

    yield Route(f"{PREFIX}/openapi.json", openapi_json)
    yield Route(f"{PREFIX}/docs", docs_html)


# They take a good part of a second and follow from the code alone: once, and only if somebody asks.
_schemas = cache(Schemas)
_drawing = Lock()
"""Nor in two threads at once, in which pydantic would trip over what the other has half made."""


@cache
def _document() -> bytes:
    return document_json(_schemas())


@cache
def _docs() -> str:
    return docs_page(_schemas())
