"""The doorbell of one attempt: its events, so that orders and answers wait for no heartbeat."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing

import anyio

from buildd.agent.lease import OVER
from buildd.client import AsyncClient
from buildd.errors import BuilddError
from buildd.events import Event, EventType
from buildd.models import Role

log = logging.getLogger(__name__)

_AGAIN = 2.0
"""Seconds until the next try to listen; without an ear, orders wait for no longer than that."""

_ALWAYS = {
    EventType.WORKER_STATUS,
    EventType.WORKER_COMMENT,
    EventType.WORKER_ERROR,
    EventType.RESET,
}


async def listen(client: AsyncClient, worker_id: str, ring: Callable[[], None]) -> None:
    """Ring at whatever may mean orders or messages; the heartbeat then brings them."""
    while True:
        try:
            await _ring(client, worker_id, ring)
        except OVER:
            return  # its keeper will say so
        except BuilddError as problem:
            log.debug("%s: cannot listen now: %s", worker_id, problem)
        else:
            return
        await anyio.sleep(_AGAIN)
        ring()


async def _ring(client: AsyncClient, worker_id: str, ring: Callable[[], None]) -> None:
    # Closed here and now when listening is cancelled, not whenever it is collected.
    async with aclosing(client.events(worker_id=worker_id)) as events:
        async for event in events:
            if _matters(event):
                ring()


def _matters(event: Event) -> bool:
    if event.type is EventType.WORKER_MESSAGE:
        return event.data.get("role") == Role.USER
    return event.type in _ALWAYS
