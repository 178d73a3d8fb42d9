"""Row 3: how soon an idle agent has a new task, beside queues whose workers stand directly on Postgres."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import quantiles
from typing import Any

from tests.bench.comparing import Comparison, Contestants, Figures, Measure, Row, at_most
from tests.bench.crew import Crew, hired
from tests.bench.stage import Server, Stage, load, peer

AGENTS = (1, 100, 1_000)
AGENTS_OF_AN_ACCOUNT = 250
JOBS, PAUSE = 200, 0.02
P50, P99 = "p50 ms", "p99 ms"
PEERS = {
    "pgqueuer": "with_pgqueuer",
    "procrastinate": "with_procrastinate",
    "graphile-worker": "with_graphile",
}


def _ours(agents: int) -> str:
    return f"{agents:,} idle agents" if agents > 1 else "1 idle agent"


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """One server of ours, and a fresh database for each turn of the others."""
    with stage.server(stage.postgres_url()) as server:
        with server.owner() as owner:
            crew = hired(owner, max(AGENTS), AGENTS_OF_AN_ACCOUNT)
        ours = {_ours(count): _waiting(stage, server, crew, count) for count in AGENTS}
        yield {**ours, **{name: _queue(stage, program) for name, program in PEERS.items()}}


def _waiting(stage: Stage, server: Server, crew: Crew, count: int) -> Measure:
    # Spread over the accounts, so that each has its share.
    keys = crew.keys[:: max(AGENTS) // count]

    def measure() -> Figures:
        return _spread(
            load(
                "dispatch",
                port=server.port,
                workspace=crew.workspace,
                keys=keys[:: stage.sized(1, 20)],
                jobs=stage.sized(JOBS, 5),
                pause=PAUSE,
                settle=stage.sized(2, 0),
            )
        )

    return measure


def _queue(stage: Stage, program: str) -> Measure:
    def measure() -> Figures:
        return _spread(
            peer(
                program,
                work="dispatch",
                database=stage.postgres_url(),
                jobs=stage.sized(JOBS, 5),
                pause=PAUSE,
                settle=stage.sized(2, 0),
            )
        )

    return measure


def _spread(found: dict[str, Any]) -> Figures:
    waits: Sequence[float] = found["waits"]
    cuts = quantiles(waits, n=100, method="inclusive")
    return {P50: cuts[49], P99: cuts[98]}


ROW = Row(
    3,
    "Dispatch: task created → an idle agent has it",
    f"A task {PAUSE * 1000:.0f} ms after the one before was taken; ours over HTTP, the others' workers"
    " directly on the same Postgres, in one process with who creates",
    tuple(
        Comparison(figure, _ours(count), tuple(PEERS), at_most(1))
        for count in AGENTS
        for figure in (P50, P99)
    ),
    opened,
)
