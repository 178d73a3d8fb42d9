"""What monitors ask: is the process up, and can it do its work now?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from enum import Enum, auto
from time import monotonic
from typing import Any

import pydantic_core
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from buildd import errors
from buildd.broker import Broker
from buildd_server.metrics import Metrics
from buildd_server.waiting import Shutdown, settled

READY_SECONDS = 5.0
"""How long the database may take to answer."""
FRESH_SECONDS = 1.0
"""How long an answer is good for, however many ask: each costs the database a write."""
FEED_SECONDS = 15.0
"""How long the feed may take for a look; it looks several times a second."""

log = logging.getLogger("buildd.server")


class _Late(Enum):
    """In the place of an answer that did not come in time."""

    LATE = auto()


class Readiness:
    """Whether this server should be sent requests now, and if not, why not."""

    def __init__(self, broker: Broker, shutdown: Shutdown) -> None:
        self._broker = broker
        self._shutdown = shutdown
        self._asking = asyncio.Lock()
        self._asked = -FRESH_SECONDS
        self._checks: Mapping[str, bool] = {}

    async def checks(self) -> Mapping[str, bool]:
        """Each check by its name. It tells nothing of where things are: anybody may ask."""
        async with self._asking:
            if monotonic() - self._asked >= FRESH_SECONDS:
                self._tell(await self._look())
                self._asked = monotonic()
        return {**self._checks, "serving": not self._shutdown.begun}

    async def _look(self) -> Mapping[str, bool]:
        wrote, schema = await asyncio.gather(
            _outcome(self._broker.health), _outcome(self._broker.schema_stands)
        )
        return {
            "database": wrote is None and isinstance(schema, bool),
            "schema": schema is True,
            "writer": wrote is not _Late.LATE,
            "feed": self._broker.load().feed_silence < FEED_SECONDS,
        }

    def _tell(self, checks: Mapping[str, bool]) -> None:
        if checks != self._checks and not all(checks.values()):
            log.error("not ready: %s", ", ".join(_failed(checks)))
        self._checks = checks


async def _outcome(ask: Callable[[], Future[Any]]) -> object:
    """The answer, or what came in its place."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await settled(ask())
    except errors.BuilddError as problem:
        log.warning("%s", problem)
        return problem
    except TimeoutError:
        return _Late.LATE


def _failed(checks: Mapping[str, bool]) -> list[str]:
    return [name for name, ok in checks.items() if not ok]


def health_routes(broker: Broker, metrics: Metrics, shutdown: Shutdown) -> Iterator[Route]:
    """`/health`, `/ready` and `/metrics`; none needs a key, none tells a secret."""
    readiness = Readiness(broker, shutdown)

    async def health(_request: Request) -> Response:
        return _json({"status": "ok"})

    async def ready(_request: Request) -> Response:
        checks = await readiness.checks()
        if not all(checks.values()):
            raise errors.Unavailable(f"not ready: {', '.join(_failed(checks))}", checks=checks)
        return _json({"status": "ready", "checks": checks})

    async def figures(_request: Request) -> Response:
        return Response(await metrics.text(), media_type=CONTENT_TYPE_LATEST)

    yield Route("/health", health)
    yield Route("/ready", ready)
    yield Route("/metrics", figures)


def _json(value: object) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(pydantic_core.to_json(value), headers=headers, media_type="application/json")
