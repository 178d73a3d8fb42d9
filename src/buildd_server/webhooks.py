"""`POST /api/webhooks/github/{sourceId}`: what GitHub tells of a source's repository.

Everybody may call this. What is not signed with the source's secret is refused, in the same words
and after the same work whether there is such a source or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pydantic_core
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from buildd import errors
from buildd.broker import Broker
from buildd.broker.github_source import REFUSED, Delivery
from buildd_server.bodies import read_body
from buildd_server.endpoints import JSON_HEADERS, PREFIX
from buildd_server.origin import origin_of
from buildd_server.waiting import settled

PATH = f"{PREFIX}/webhooks/github/{{source_id}}"
BODY_LIMIT = 25 * 1024 * 1024
"""Bytes; GitHub sends no more."""
PATIENCE = 9
"""Seconds for all of it: after ten, GitHub takes it for failed."""
_LONGEST = 200


def webhook_routes(broker: Broker) -> Iterator[Route]:
    """The route by which GitHub comes in; outside the gate, because it has a signature and no key."""

    async def receive(request: Request) -> Response:
        try:
            async with asyncio.timeout(PATIENCE):
                done = await _receive(request, broker)
        except TimeoutError:
            raise errors.Unavailable("this took too long: have it delivered again") from None
        answer = pydantic_core.to_json({"done": done})
        return Response(answer, 200, JSON_HEADERS, "application/json")

    yield Route(PATH, receive, methods=["POST"])


async def _receive(request: Request, broker: Broker) -> str:
    headers = [request.headers.get(name, "") for name in _HEADERS]
    if not all(0 < len(value) <= _LONGEST for value in headers):
        raise errors.NotAuthenticated(REFUSED)
    event, id_, signature = headers
    body = await read_body(request, BODY_LIMIT)
    delivery = Delivery(request.path_params["source_id"], event, id_, signature, body)
    believed = await settled(broker.webhooks.believe(delivery))
    return await settled(broker.webhooks.hear(believed, origin_of(request)))


_HEADERS = ("x-github-event", "x-github-delivery", "x-hub-signature-256")
