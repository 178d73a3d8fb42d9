"""Databases with very many tasks: one real task is multiplied by the database itself, which takes seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg

from buildd.client import Client, connect
from buildd.models import Claimed
from buildd.store import tables
from tests.bench.crew import Crew, hired

_COLUMNS = ", ".join(each.name for each in tables.task.columns if each.name != "id")
# The ids sort before all that are made later: of equals, the oldest are claimed first.
_ON_SQLITE = f"""
WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)
INSERT INTO task (id, {_COLUMNS})
SELECT 'task_' || printf('%026d', n), {_COLUMNS} FROM task, numbers WHERE id = :template
"""  # noqa: S608 - the names are our own columns
_ON_POSTGRES = f"""
INSERT INTO task (id, {_COLUMNS})
SELECT 'task_' || lpad(n::text, 26, '0'), {_COLUMNS} FROM task,
generate_series(%(first)s::int, %(last)s::int) n WHERE id = %(template)s
"""  # noqa: S608 - as above


@dataclass(frozen=True)
class Depth:
    """How many tasks a database holds."""

    pending: int
    finished: int = 0


def filled(database: str, depth: Depth) -> Crew:
    """Fill a database that is not there yet, for an agent whose key comes back."""
    with connect(database) as owner:
        crew = hired(owner, 1, 1)
        if depth.finished:
            owner.tasks.create(workspace_id=crew.workspace, title="over")
            [claimed] = owner.with_key(crew.keys[0]).workers.claim().workers
            _finish(owner.with_key(claimed.lease.token), claimed)
            _multiply(database, claimed.task_id, 1, depth.finished)
        waiting = owner.tasks.create(workspace_id=crew.workspace, title="waits")
    _multiply(database, waiting.id, depth.finished + 1, depth.finished + depth.pending)
    return crew


@contextmanager
def read_for_long(database: str) -> Iterator[None]:
    """A reader that keeps what it sees as long as the block runs, as a backup does."""
    if database.startswith("sqlite"):
        with closing(sqlite3.connect(_path(database))) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM task").fetchone()
            yield
    else:
        with psycopg.connect(database) as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            reader.execute("SELECT count(*) FROM task").fetchone()
            yield


def _finish(lease: Client, claimed: Claimed) -> None:
    lease.workers.start(id=claimed.id)
    lease.workers.complete(id=claimed.id)


def _multiply(database: str, template: str, first: int, last: int) -> None:
    given = {"template": template, "first": first, "last": last}
    if database.startswith("sqlite"):
        with closing(sqlite3.connect(_path(database))) as connection, connection:
            connection.execute(_ON_SQLITE, given)
            connection.execute("ANALYZE")
    else:
        with psycopg.connect(database, autocommit=True) as session:
            session.execute(_ON_POSTGRES.encode(), given)
            # Postgres would do so by itself in a minute, in the midst of somebody's turn.
            session.execute("VACUUM ANALYZE")


def _path(database: str) -> str:
    return database.removeprefix("sqlite:///")
