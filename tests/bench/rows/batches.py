"""Row 2: many tasks at once, over HTTP and embedded, beside queues that stand directly on Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from buildd.client import connect
from tests.bench.comparing import Comparison, Contestants, Figures, Measure, Row, at_least
from tests.bench.crew import hired
from tests.bench.rows.lifecycle import RATE, lifecycles
from tests.bench.stage import Stage, load, peer

AGENTS, BATCH, PEERS_BATCH = 4, 50, 100
HTTP, EMBEDDED = f"HTTP, batches of {BATCH}", f"embedded, batches of {BATCH}"
PGQUEUER, PROCRASTINATE = "pgqueuer", "procrastinate"


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """Ours on databases that stay, theirs on a fresh one each time."""
    with stage.server(stage.postgres_url()) as server:
        with server.owner() as owner:
            crew = hired(owner, AGENTS, 1)
        yield {
            HTTP: lambda: lifecycles(stage, [server], crew, BATCH, stage.postgres_cpu),
            EMBEDDED: _embedded(stage),
            PGQUEUER: lambda: _queue(stage, "with_pgqueuer", stage.sized(20_000, 1_000)),
            PROCRASTINATE: lambda: _queue(stage, "with_procrastinate", stage.sized(3_000, 200)),
        }


def _embedded(stage: Stage) -> Measure:
    database = stage.postgres_url()
    with connect(database) as owner:
        crew = hired(owner, AGENTS, 1)

    def measure() -> Figures:
        before = stage.postgres_cpu()
        done = load(
            "embedded",
            database=database,
            keys=crew.keys,
            workspace=crew.workspace,
            batch=BATCH,
            seconds=stage.sized(10, 1),
        )
        count = done["done"]
        return {
            RATE: count / done["seconds"],
            "program CPU µs": done["CPU s"] / count * 1e6,
            "database CPU µs": (stage.postgres_cpu() - before) / count * 1e6,
        }

    return measure


def _queue(stage: Stage, name: str, jobs: int) -> Figures:
    database, before = stage.postgres_url(), stage.postgres_cpu()
    found = peer(name, work="throughput", database=database, jobs=jobs, batch=PEERS_BATCH)
    return {
        RATE: jobs / found["done"],
        "created/s": jobs / found["created"],
        "done/s": jobs / (found["done"] - found["created"]),
        "database CPU µs": (stage.postgres_cpu() - before) / jobs * 1e6,
    }


ROW = Row(
    2,
    "Lifecycles in batches",
    f"{AGENTS} agents of ours, each with an account; all on one Postgres, `synchronous_commit = on`;"
    f" pgqueuer on asyncpg and uvloop in batches of {PEERS_BATCH}, procrastinate with batches of"
    f" {PEERS_BATCH} to defer and 20 jobs at a time; a rate counts from the first creation to the last end",
    (
        Comparison(RATE, HTTP, (PGQUEUER,), at_least(1)),
        Comparison(RATE, EMBEDDED, (PGQUEUER,), at_least(1)),
        Comparison(RATE, HTTP, (PROCRASTINATE,), at_least(15)),
        Comparison(RATE, EMBEDDED, (PROCRASTINATE,), at_least(15)),
    ),
    opened,
)
