"""What monitors ask: is the process up, does its database answer, and what has it been doing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pydantic_core
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from buildd import errors
from buildd.broker import Broker
from buildd.operations import Method
from buildd_server.waiting import settled

READY_SECONDS = 5
_METHODS = {*Method, "HEAD", "OPTIONS"}


class Metrics:
    """The figures of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "buildd_http_requests",
            "HTTP requests answered, by method and class of status.",
            ("method", "status"),
            registry=self._registry,
        )
        self._position = Gauge(
            "buildd_feed_position", "The seq of the feed's last event.", registry=self._registry
        )

    def count(self, method: str, status: int) -> None:
        """Note one answered request."""
        name = method if method in _METHODS else "other"
        self._requests.labels(name, f"{status // 100}xx").inc()

    def text(self, position: int) -> bytes:
        """Everything in Prometheus' text format."""
        self._position.set(position)
        return generate_latest(self._registry)


class Counting:
    """Counts every response as its status goes out."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and watch its answer go by."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def watching(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.count(scope["method"], message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watching)
        except Exception:
            # The error page is written outside of this middleware.
            self._metrics.count(scope["method"], 500)
            raise


def health_routes(broker: Broker, metrics: Metrics) -> Iterator[Route]:
    """`/health`, `/ready` and `/metrics`; none needs a key, none tells a secret."""

    async def health(_request: Request) -> Response:
        return _json({"status": "ok"})

    async def ready(_request: Request) -> Response:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await settled(broker.health())
        except TimeoutError:
            raise errors.Unavailable("the database does not answer") from None
        return _json({"status": "ready"})

    async def figures(_request: Request) -> Response:
        return Response(metrics.text(broker.position), media_type=CONTENT_TYPE_LATEST)

    yield Route("/health", health)
    yield Route("/ready", ready)
    yield Route("/metrics", figures)


def _json(value: object) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(pydantic_core.to_json(value), headers=headers, media_type="application/json")
