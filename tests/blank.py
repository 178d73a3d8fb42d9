"""Blank Postgres databases for tests: emptied and taken again, since making one costs many times as much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg

from buildd.broker import Broker
from tests.faults.places import PostgresPlace
from tests.postgres import Postgres

TEMPLATE = "template_buildd"
_BLANK = "blank"
_SHAPE = """
SELECT string_agg(row::text, ' ' ORDER BY row::text) FROM (
    SELECT 'class', oid::text, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'column', attrelid || '.' || attnum, a.xmin::text
        FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'constraint', oid::text, xmin::text
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger', t.oid::text, t.xmin::text
        FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'public'::regnamespace
) AS row
"""
"""Which version of every catalogue row is in force: other than before, once anybody changes a table."""

_END = """
SELECT pg_terminate_backend(pid, CASE state WHEN 'idle' THEN 0 ELSE 10000 END)
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
"""Waits for a session only if it might still commit something, since Postgres looks every 100 ms."""


class Blanks:
    """The databases of one server. Under a new name each time, which no straggler of a test knows."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._numbers = count(1)
        self._idle: list[str] = []
        postgres.sql(f"CREATE DATABASE {TEMPLATE}")
        Broker.open(postgres.url(TEMPLATE)).close()
        PostgresPlace(postgres.url(TEMPLATE)).save(_BLANK)
        with psycopg.connect(postgres.url(TEMPLATE)) as connection:
            self._shape = connection.execute(_SHAPE).fetchone()

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The address of a database with the present schema and nothing in it."""
        name = f"test_{next(self._numbers)}"
        if self._idle:
            self._postgres.sql(f"ALTER DATABASE {self._idle.pop()} RENAME TO {name}")
        else:
            self._postgres.sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield self._postgres.url(name)
        if self._emptied(name):
            self._idle.append(name)
        else:
            self._postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _emptied(self, name: str) -> bool:
        """Ends what a test has left running, and puts the rows back unless the tables have changed."""
        with psycopg.connect(self._postgres.url(name), autocommit=True) as connection:
            connection.execute(_END)
            as_before = connection.execute(_SHAPE).fetchone() == self._shape
            if as_before:
                connection.execute("; ".join(PostgresPlace.restoring(_BLANK)).encode())
        return as_before
