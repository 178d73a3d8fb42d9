"""Row 1: a task's whole life over HTTP, beside the same server and routes without a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.bench.comparing import Comparison, Contestants, Figures, Measure, Row, at_least
from tests.bench.crew import Crew, hired
from tests.bench.stage import Server, Stage, load

AGENTS, AGENTS_OF_AN_ACCOUNT = 64, 8
RATE = "lifecycles/s"
SQLITE, POSTGRES, MEMORY = "SQLite", "Postgres", "memory only"


def _nothing() -> float:
    return 0.0


def lifecycles(
    stage: Stage,
    servers: list[Server],
    crew: Crew,
    batch: int = 1,
    database_cpu: Callable[[], float] = _nothing,
) -> Figures:
    """Let a crew work for some seconds, and see what that takes."""
    of_servers, of_database = sum(each.cpu() for each in servers), database_cpu()
    done = load(
        "lifecycles",
        ports=[each.port for each in servers],
        keys=crew.keys,
        workspace=crew.workspace,
        batch=batch,
        seconds=stage.sized(10, 1),
    )
    count, seconds = done["done"], done["seconds"]
    used, by_database = (
        sum(each.cpu() for each in servers) - of_servers,
        database_cpu() - of_database,
    )
    return {
        RATE: count / seconds,
        "server CPU µs": used / count * 1e6,
        "database CPU µs": by_database / count * 1e6,
        "total CPU µs": (used + by_database) / count * 1e6,
        "load cores": done["load CPU s"] / seconds,
    }


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """A server on each database, and one on none."""
    with ExitStack() as held:

        def contestant(
            database: str, cpu: Callable[[], float] = _nothing, module: str = "buildd_server"
        ) -> Measure:
            server = held.enter_context(stage.server(database, module))
            with server.owner() as owner:
                crew = hired(owner, AGENTS, AGENTS_OF_AN_ACCOUNT)
            return lambda: lifecycles(stage, [server], crew, database_cpu=cpu)

        yield {
            MEMORY: contestant(stage.sqlite_url(), module="tests.bench.memory"),
            SQLITE: contestant(stage.sqlite_url()),
            POSTGRES: contestant(stage.postgres_url(), stage.postgres_cpu),
        }


ROW = Row(
    1,
    "Lifecycle over HTTP: create, claim, start, complete",
    f"{AGENTS} agents of {AGENTS // AGENTS_OF_AN_ACCOUNT} accounts, each on a connection of its own; keys,"
    " limits, budgets, leases, events and rate limits as always; SQLite `synchronous = FULL`, Postgres"
    " `synchronous_commit = on`",
    (
        Comparison(RATE, SQLITE, (MEMORY,), at_least(0.5)),
        Comparison(RATE, POSTGRES, (MEMORY,), at_least(0.5)),
    ),
    opened,
)
