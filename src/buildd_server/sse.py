"""The feed as `text/event-stream`: what a subscription yields, framed and sent as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from buildd import errors, wire
from buildd.broker import Broker, Notice, Subscription
from buildd.events import EventType, Filter
from buildd.models._model import Id
from buildd.operations import GetWorker
from buildd_server.auth import EVENTS, TICKET, principal_of
from buildd_server.connections import most_connections
from buildd_server.endpoints import PREFIX, query_of
from buildd_server.ratelimit import Room, sharer
from buildd_server.turns import Turn, Turns
from buildd_server.waiting import Shutdown, settled

PING_SECONDS = 15
SEND_SECONDS = 30
"""How long one frame may take to leave before its reader counts as gone."""
GRACE_SECONDS = 0.5
"""How long a stop waits for a stream to end by itself; a reader that is stuck is cut off."""
MOST_STREAMS = 5_000
"""Streams at a time, which take 50 kB each: 250 MB, with ten accounts and more that want them."""
STREAMS_OF_ONE = 500
"""Of these for one account, of which none gets a server into trouble."""
POSITION_HEADER = "X-Buildd-Seq"


def _names(text: str) -> list[str]:
    return text.split(",")


class EventQuery(BaseModel):
    """What a reader may ask of a stream."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    workspace_id: Id | None = None
    task_id: Id | None = None
    worker_id: Id | None = None
    types: Annotated[frozenset[EventType], BeforeValidator(_names)] | None = None
    """Event types, separated by commas."""
    after: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """The last `seq` already seen; 0 begins with the oldest event kept, none with the next one."""

    def wanted(self) -> Filter:
        """The filter that the broker takes."""
        return Filter.model_validate(self.model_dump(exclude={"after"}))


def event_routes(broker: Broker, shutdown: Shutdown) -> Iterator[Route]:
    """The two streams: of everything the caller may see, and of one worker."""
    most = min(MOST_STREAMS, most_connections() // 2)
    opening = _Opening(broker, shutdown, Room(most, min(STREAMS_OF_ONE, most // 3), "streams"))

    async def events(request: Request) -> Response:
        return await opening.stream(request)

    async def worker_events(request: Request) -> Response:
        # Whether the caller may see the worker at all is what reading it tells, in the same words.
        worker = wire.decode(GetWorker, request.path_params, {}, b"")
        await settled(broker.submit(worker, principal_of(request)))
        return await opening.stream(request, worker_id=worker.id)

    for path, endpoint in (
        (EVENTS.removeprefix(PREFIX), events),
        ("/workers/{id}/events", worker_events),
    ):
        route = Route(path, endpoint, methods=["GET"])
        route.methods = {"GET"}  # A HEAD would subscribe for nothing.
        yield route


@dataclass(frozen=True)
class _Opening:
    """What it takes to open a stream."""

    broker: Broker
    shutdown: Shutdown
    room: Room
    turns: Turns = field(default_factory=Turns)

    async def stream(self, request: Request, *, worker_id: str | None = None) -> Response:
        query = _query(request, worker_id)
        turn = Turn(self.turns)
        with ExitStack() as held:
            held.enter_context(self.room.one(sharer(request.scope)))
            subscription = await settled(
                self.broker.subscribe(principal_of(request), query.after, query.wanted(), turn.ask)
            )
            held.callback(subscription.close)
            return _EventStream(subscription, turn, self, held.pop_all())


def _query(request: Request, worker_id: str | None) -> EventQuery:
    fields = query_of(request)
    if worker_id is not None:
        if "workerId" in fields:
            raise errors.Invalid.field("workerId", "is given by the path")
        fields["workerId"] = worker_id
    else:
        fields.pop(TICKET, None)  # The gate has taken it.
    last = request.headers.get("last-event-id")
    if last and not last.isdecimal():
        raise errors.Invalid.field("Last-Event-ID", "must be the id of an event")
    if last:
        fields["after"] = last
    try:
        return EventQuery.model_validate(fields)
    except ValidationError as problem:
        raise wire.invalid(problem) from None


class _EventStream(EventSourceResponse):
    """Ends when the reader leaves, is too slow or loses its key, and when the server stops."""

    def __init__(
        self,
        subscription: Subscription,
        turn: Turn,
        opening: _Opening,
        held: ExitStack,
    ) -> None:
        self._subscription = subscription
        self._held = held
        self._turn = turn
        self._shutdown = opening.shutdown
        super().__init__(
            self._frames(),
            headers={POSITION_HEADER: str(subscription.start)},
            sep="\n",
            ping=PING_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            send_timeout=SEND_SECONDS,
            # The library notices a stop too, and must not cut off what is about to end by itself.
            shutdown_grace_period=2 * GRACE_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, and let go of all that it holds however it ends."""
        try:
            async with asyncio.timeout(None) as patience:
                with self._shutdown.calling(lambda: self._stop(patience)):
                    await super().__call__(scope, receive, send)
        except TimeoutError:
            pass  # The reader is stuck; it resumes when it comes back.
        finally:
            self._held.close()

    def _stop(self, patience: asyncio.Timeout) -> None:
        self._turn.take()
        patience.reschedule(asyncio.get_running_loop().time() + GRACE_SECONDS)

    async def _frames(self) -> AsyncIterator[bytes]:
        yield b": subscribed\n\n"
        while not self._shutdown.begun:
            try:
                notices = self._subscription.drain()
            except (errors.Unavailable, errors.NotAuthenticated):
                return
            if notices:
                self._turn.join()
                yield _framed(tuple(notices))
            await self._turn.wait()


# Most who have their turn at a time are sent the same, and each keeps it until its next one.
@lru_cache(maxsize=8)
def _framed(notices: tuple[Notice, ...]) -> bytes:
    return b"".join(map(_frame, notices))


def _frame(notice: Notice) -> bytes:
    name = b"event: reset\n" if notice.event.type is EventType.RESET else b""
    return b"%bid: %d\ndata: %b\n\n" % (name, notice.event.seq, notice.json)
