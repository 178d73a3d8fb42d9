"""Waiting for the broker without standing in its way: a client that leaves breaks no write."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from buildd import errors

T = TypeVar("T")


class Shutdown:
    """Ends what waits on clients' behalf, so that no open stream keeps a stopping server alive."""

    def __init__(self) -> None:
        self.begun = False
        self._calls: set[Callable[[], object]] = set()

    def begin(self) -> None:
        """Tell everybody who asked to be told. Called on the event loop."""
        self.begun = True
        for call in tuple(self._calls):
            call()

    @contextmanager
    def calling(self, call: Callable[[], object]) -> Iterator[None]:
        """Have `call` called if the server stops while the block runs."""
        self._calls.add(call)
        try:
            yield
        finally:
            self._calls.discard(call)


async def settled(future: concurrent.futures.Future[T]) -> T:
    """What the broker answers. Cancelling the caller leaves the broker's work alone."""
    if future.done():
        return future.result()
    return await asyncio.shield(asyncio.wrap_future(future))


async def settled_while_wanted(
    future: concurrent.futures.Future[T], request: Request, shutdown: Shutdown
) -> T:
    """What the broker answers, given up when the client hangs up or the server stops.

    For what may wait long before it does anything: a claim must take no task for one that left.
    Raises `ClientDisconnect` or `Unavailable` when given up.
    """
    hung_up = asyncio.create_task(disconnected(request))
    hung_up.add_done_callback(lambda _: future.cancel())
    try:
        with shutdown.calling(future.cancel):
            return await settled(future)
    except (asyncio.CancelledError, concurrent.futures.CancelledError):
        if future.cancelled():
            if hung_up.done() and not shutdown.begun:
                raise ClientDisconnect from None
            raise errors.Unavailable("the server is shutting down") from None
        raise
    finally:
        hung_up.cancel()


async def disconnected(request: Request) -> None:
    """Return once the client has hung up; its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
