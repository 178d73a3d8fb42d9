"""Row 5: ten thousand agents at one server, beside a bare one that holds as many requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles

from buildd.client import Client
from buildd.models import Claimed
from buildd.operations import CreateTasks, ReportWorkers
from tests.bench.comparing import Comparison, Contestants, Figures, Measure, Row, at_least, at_most
from tests.bench.crew import Crew, hired
from tests.bench.stage import Server, Stage, load

AGENTS, AGENTS_OF_AN_ACCOUNT = 10_000, 250
BEAT_SECONDS = 20
OURS, BARE = "buildd", "bare Starlette"
HELD, MEMORY, P99, CORES = "agents", "KB per agent", "claim p99 ms", "server cores"
_AT_ONCE = 50
_TTL = {"BUILDD_LEASE_TTL": "3600"}
"""It takes minutes to have everybody at work, in which nobody renews a lease."""


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """Two servers, each empty in the beginning."""
    agents = stage.sized(AGENTS, 100)
    with (
        stage.server(stage.postgres_url(), **_TTL) as server,
        stage.server("none", "tests.bench.bare") as bare,
    ):
        with server.owner() as owner:
            crew = hired(owner, agents, AGENTS_OF_AN_ACCOUNT)
            workers = _at_work(owner, crew)
        nowhere = Crew("", crew.keys)
        yield {
            BARE: _holding(stage, bare, "/wait", nowhere, []),
            OURS: _holding(stage, server, "/api/workers/claim", crew, workers),
        }


def _holding(
    stage: Stage, server: Server, path: str, crew: Crew, workers: list[tuple[str, str]]
) -> Measure:
    # What a turn leaves in memory is there before the next one: only the first finds it empty.
    empty = server.megabytes()

    def measure() -> Figures:
        found = _held(stage, server, path, crew, workers)
        each = (found.pop("MB") - empty) * 1024 / max(1.0, found[HELD])
        return {**found, MEMORY: each}

    return measure


def _held(
    stage: Stage, server: Server, path: str, crew: Crew, workers: list[tuple[str, str]]
) -> dict[str, float]:
    found = load(
        "fleet",
        pid=server.process.pid,
        port=server.port,
        path=path,
        keys=crew.keys,
        workspace=crew.workspace,
        workers=workers,
        beat=BEAT_SECONDS,
        settle=stage.sized(10, 0),
        seconds=stage.sized(25, 1) if workers else 1,
    )
    figures = {
        HELD: found["agents"],
        "MB": found["MB"],
        CORES: found["cores"],
        "heartbeats": found["beats"],
        "seconds to arrive": found["seconds to arrive"],
        "load CPU s": found["load CPU s"],
    }
    if found["waits"]:
        figures[P99] = quantiles(found["waits"], n=100, method="inclusive")[98]
    return figures


def _at_work(owner: Client, crew: Crew) -> list[tuple[str, str]]:
    """An attempt for each agent, with its lease token."""
    found: list[Claimed] = []
    task = {"workspaceId": crew.workspace, "title": "Fix the flaky test of the checkout"}
    for at in range(0, len(crew.keys), _AT_ONCE):
        keys = crew.keys[at : at + _AT_ONCE]
        agent = owner.with_key(keys[0])
        agent.send(CreateTasks.model_validate({"tasks": [task] * len(keys)}))
        claimed = agent.workers.claim(max_tasks=len(keys)).workers
        starts = [{"verb": "start", "id": c.id, "token": c.lease.token} for c in claimed]
        agent.send(ReportWorkers.model_validate({"reports": starts}))
        found += claimed
    return [(each.id, each.lease.token) for each in found]


ROW = Row(
    5,
    f"A fleet of {AGENTS:,} agents at one server process",
    f"Each waits with a long-poll of its own, each has an attempt whose lease is renewed every"
    f" {BEAT_SECONDS} s, and a task is created 0.1 s after the one before was taken; on Postgres; the bare"
    " server answers each request when its wait is over",
    (
        Comparison(HELD, OURS, (BARE,), at_least(1)),
        Comparison(MEMORY, OURS, (BARE,), at_most(1.5)),
        Comparison(P99, OURS, (), at_most(50)),
        Comparison(CORES, OURS, (), at_most(0.5)),
    ),
    opened,
)
