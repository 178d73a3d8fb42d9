"""How both databases go about the statements that run for every task: by index, whatever is in the tables.

The plans are kept beside this file. `python -m tests.store.test_plans` writes them anew; look at what
has changed: a SCAN or a Seq Scan of a table that grows is what this is here to prevent.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from buildd.broker import Broker
from buildd.states import TaskVerb, WorkerVerb
from buildd.store import Database, Statement, database_of
from buildd.store.sql import accounts, audit_log, claims, events, records, tasks, workers
from tests.postgres import Postgres

_WAY = re.compile(r"(SEARCH|SCAN) \w+( USING (COVERING )?INDEX \w+)?|USE TEMP B-TREE")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_CLAIM = {
    "account": "acc_1",
    "workspace": None,
    "task": None,
    "now": _NOW,
    "day": _NOW.date(),
    "limit": 1,
}
_WORKER = {"of": "wrk_1", "now": _NOW}
HOT: dict[str, tuple[Statement, dict[str, Any]]] = {
    "look a key up": (accounts.KEY_BY_DIGEST, {"digest": "d"}),
    "look a lease up": (accounts.LEASE_BY_DIGEST, {"digest": "d"}),
    "lock the account": (accounts.LOCK_ACCOUNT, {"id": "acc_1", "day": _NOW.date()}),
    "see an agent's worker": (workers.UNHELD, _CLAIM),
    "find the next task": (claims.NEXT_TASKS, {**_CLAIM, "capabilities": ["gpu"]}),
    "find a named task": (claims.NAMED_TASK, {**_CLAIM, "task": "task_1", "capabilities": []}),
    "take the task": (
        tasks.MOVE_TASK[TaskVerb.CLAIM],
        {"of": "task_1", "now": _NOW, "worker": "wrk_1", "account": "acc_1"},
    ),
    "count a run": (claims.RUN, {"account": "acc_1", "run": "run_1"}),
    "lock a worker": (workers.LOCK_WORKER, {"id": "wrk_1", "viewer": None}),
    "lock a worker that somebody may see": (workers.LOCK_WORKER, {"id": "w", "viewer": "acc_1"}),
    "start a worker": (workers.MOVE_WORKER[WorkerVerb.START], _WORKER),
    "renew a lease": (
        workers.RENEW,
        {**_WORKER, "until": _NOW, "progress": 1, "turns": 1, "session_id": None},
    ),
    "lock a worker that beats": (workers.LOCK_BEATING, {"id": "wrk_1", "after": None}),
    "read what was said to an agent": (
        records.MESSAGES_TO_AGENT,
        {"worker": "wrk_1", "after": None, "limit": 100},
    ),
    "find the last thing said to an agent": (records.LAST_TO_AGENT, {"worker": "wrk_1"}),
    "find the children": (tasks.CHILDREN, {"parent": "task_1"}),
    "find leases that have expired": (workers.EXPIRED, {"now": _NOW}),
    "find what is overdue": (workers.OVERDUE, {"now": _NOW}),
    "find pauses that nobody has confirmed": (workers.UNCONFIRMED_PAUSES, {"before": _NOW}),
    "keep all leases after a standstill": (workers.EXTEND_ALL, {"until": _NOW}),
    "find what comes due": (tasks.TASKS_DUE, {"now": _NOW, "since": _NOW - timedelta(hours=1)}),
    "read the feed": (events.EVENTS_AFTER, {"after": 1, "limit": 500}),
    "read the audit log": (
        audit_log.ENTRIES,
        {"before": 9, "about": None, "action": None, "limit": 100},
    ),
    "list the tasks": (
        tasks.tasks(frozenset({"workspace"})),
        {"workspace": "ws_1", "viewer": None, "cursor": None, "limit": 50},
    ),
}


def plans(database: Database) -> Iterator[str]:
    """Each statement with its plan; on Postgres as if every table were large."""
    kind = database.dialect.name
    with closing(database.connect()) as connection:
        cursor = connection.cursor()
        if kind == "postgresql":
            cursor.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        explain = "EXPLAIN (COSTS OFF)" if kind == "postgresql" else "EXPLAIN QUERY PLAN"
        for name, (statement, parameters) in HOT.items():
            compiled = statement.compiled(database.dialect)
            cursor.execute(f"{explain} {compiled.text}", compiled.bind(parameters))
            told = [row[-1].rstrip() for row in cursor.fetchall()]
            yield "\n    ".join([name, *(told if kind == "postgresql" else _ways(told))]) + "\n"


def _ways(told: list[str]) -> list[str]:
    """Which table goes by which index: all that SQLite says in the same words in each version."""
    return sorted({found[0] for each in told if (found := _WAY.match(each))})


def kept(database: Database) -> Path:
    """Where the plans of a kind of database are."""
    return Path(__file__).with_name("plans") / f"{database.dialect.name}.txt"


def test_on_sqlite_they_go_by_index(sqlite_url: str) -> None:
    database = database_of(sqlite_url)
    assert "\n".join(plans(database)) == kept(database).read_text()


def test_on_postgres_they_go_by_index(postgres: Postgres) -> None:
    """In a database that nobody has used: the plans depend on what was in it."""
    database = _untouched(postgres)
    assert "\n".join(plans(database)) == kept(database).read_text()


def _untouched(postgres: Postgres) -> Database:
    postgres.sql("CREATE DATABASE plans")
    url = postgres.url("plans")
    Broker.open(url).close()
    return database_of(url)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory, closing(Postgres()) as started:
        file = f"sqlite:///{directory}/buildd.db"
        Broker.open(file).close()
        for each in (database_of(file), _untouched(started)):
            kept(each).write_text("\n".join(plans(each)))
