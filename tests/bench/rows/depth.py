"""Row 4: whether a claim takes longer where very much waits, is over, or is being read for long."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from tests.bench.comparing import Comparison, Contestants, Figures, Measure, Row, at_most
from tests.bench.crew import Crew
from tests.bench.depths import Depth, filled, read_for_long
from tests.bench.stage import Stage, load

P50 = "claim p50 ms"
SQLITE, POSTGRES = "SQLite", "Postgres"
SHALLOW = "1,000 pending"
FINISHED = "1,000 pending and 1,000,000 finished"
READER = "1,000 pending, read for ten minutes"
DEPTHS = {
    SHALLOW: Depth(1_000),
    "100,000 pending": Depth(100_000),
    "1,000,000 pending": Depth(1_000_000),
    FINISHED: Depth(1_000, 1_000_000),
    READER: Depth(1_000),
}
SHORTLY = (SHALLOW, FINISHED, READER)
"""What shows that all of it works."""


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """A database for each depth, of both kinds."""
    less = stage.sized(1, 100)
    databases: dict[str, tuple[str, Crew]] = {}
    for kind, url_of in ((SQLITE, stage.sqlite_url), (POSTGRES, stage.postgres_url)):
        for name in SHORTLY if stage.short else DEPTHS:
            database, depth = url_of(), DEPTHS[name]
            crew = filled(database, Depth(depth.pending // less, depth.finished // less))
            databases[f"{kind}, {name}"] = database, crew
    read = [databases[f"{kind}, {READER}"] for kind in (SQLITE, POSTGRES)]
    with ExitStack() as held, ThreadPoolExecutor(len(read)) as threads:
        for database, _ in read:
            held.enter_context(read_for_long(database))
        list(threads.map(lambda each: _churn(stage, *each), read))
        yield {name: _claims(stage, *each) for name, each in databases.items()}


def _claims(stage: Stage, database: str, crew: Crew) -> Measure:
    def measure() -> Figures:
        count, key = stage.sized(200, 5), crew.keys[0]
        return load("claims", database=database, key=key, workspace=crew.workspace, count=count)

    return measure


def _churn(stage: Stage, database: str, crew: Crew) -> None:
    """Leave behind what the reader keeps from being tidied up."""
    work = {"database": database, "keys": crew.keys, "workspace": crew.workspace}
    load("embedded", **work, batch=50, seconds=stage.sized(600, 1))


ROW = Row(
    4,
    "Claim in a deep database",
    "One agent beside an embedded broker, one claim after the other; while the reader has its"
    " transaction open, tasks come and go for ten minutes before the first turn, on both databases at once",
    tuple(
        Comparison(P50, f"{kind}, {name}", (f"{kind}, {SHALLOW}",), at_most(1.2))
        for kind in (SQLITE, POSTGRES)
        for name in DEPTHS
        if name != SHALLOW
    ),
    opened,
)
