"""Row 8: a second server on the same Postgres, where there are processors for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.bench.comparing import Comparison, Contestants, Measure, Row, at_least, at_most
from tests.bench.crew import hired
from tests.bench.rows.lifecycle import AGENTS, AGENTS_OF_AN_ACCOUNT, RATE, lifecycles
from tests.bench.stage import Stage

ONE, TWO = "one server", "two servers"
CORES_FOR_TWO = 6
"""For two servers, Postgres with its writers, and who makes the load."""


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """One server, and on another database two of them."""
    with ExitStack() as held:

        def contestant(count: int) -> Measure:
            database = stage.postgres_url()
            servers = [held.enter_context(stage.server(database)) for _ in range(count)]
            with servers[0].owner() as owner:
                crew = hired(owner, AGENTS, AGENTS_OF_AN_ACCOUNT)
            return lambda: lifecycles(stage, servers, crew, database_cpu=stage.postgres_cpu)

        yield {ONE: contestant(1), TWO: contestant(2)}


ROW = Row(
    8,
    "Two server processes on one Postgres",
    f"As row 1; with fewer than {CORES_FOR_TWO} cores they take turns on the same ones, so what counts is"
    " what a lifecycle costs",
    (
        Comparison(RATE, TWO, (ONE,), at_least(1.6))
        if (os.cpu_count() or 1) >= CORES_FOR_TWO
        else Comparison("total CPU µs", TWO, (ONE,), at_most(1.1)),
    ),
    opened,
)
