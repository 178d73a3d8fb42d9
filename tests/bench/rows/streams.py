"""Row 6: events to very many readers, beside a loop that writes bytes which are ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from tests.bench.comparing import Comparison, Contestants, Figures, Measure, Row, at_least
from tests.bench.crew import Crew, hired
from tests.bench.stage import Server, Stage, load

READERS = (1_000, 5_000)
READERS_OF_AN_ACCOUNT = 250
EVENTS_PER_SECOND = 100
FRAME = 450
"""Bytes of a frame about a task that was created, about."""
RATE, HEARD = "deliveries/s", "readers"


def _named(whose: str, readers: int) -> str:
    return f"{whose}, {readers:,} readers"


OURS, BARE = "events", "bare loop"


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """A server of ours on SQLite, and one that only writes."""
    with (
        stage.server(stage.sqlite_url()) as server,
        stage.server("none", "tests.bench.bare") as bare,
    ):
        with server.owner() as owner:
            crew = hired(owner, max(READERS), READERS_OF_AN_ACCOUNT)
        port = bare_port(bare)
        contestants: dict[str, Measure] = {}
        for count in READERS:
            keys = crew.keys[:: max(READERS) // count][:: stage.sized(1, 50)]
            contestants[_named(BARE, count)] = _read(stage, bare, port, Crew("none", keys))
            contestants[_named(OURS, count)] = _read(
                stage, server, server.port, Crew(crew.workspace, keys)
            )
        yield contestants


def bare_port(bare: Server) -> int:
    """Where a bare server has its loop."""
    return int(httpx2.get(f"{bare.address}/stream", trust_env=False).text)


def _read(stage: Stage, server: Server, port: int, crew: Crew) -> Measure:
    def measure() -> Figures:
        used = server.cpu()
        with server.growing() as growth:
            found = load(
                "streams",
                port=port,
                keys=crew.keys,
                workspace=crew.workspace,
                events=EVENTS_PER_SECOND * stage.sized(3, 1),
                pause=1 / EVENTS_PER_SECOND,
                bare=port != server.port,
                size=FRAME,
            )
        return {
            HEARD: found["readers"],
            RATE: found["deliveries"] / found["seconds"],
            "server CPU µs": (server.cpu() - used) / max(1, found["deliveries"]) * 1e6,
            **growth,
            "load cores": found["load cores"],
        }

    return measure


ROW = Row(
    6,
    f"Event streams: {EVENTS_PER_SECOND} events a second to every reader",
    f"An event is a task that somebody creates over HTTP, a frame of about {FRAME} bytes; counted until the"
    " last reader has the last one; who reads is one other process, which does nothing but count",
    tuple(
        Comparison(figure, _named(OURS, count), (_named(BARE, count),), at_least(bound))
        for count in READERS
        for figure, bound in ((RATE, 0.6), (HEARD, 1))
    ),
    opened,
)
