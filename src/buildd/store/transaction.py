"""What a handler does its reading and writing with: an open transaction, and the moment it happens at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from buildd.store.dialects import Connection, Database
from buildd.store.statement import Row, Statement


class Transaction:
    """An open transaction. `now` is its one moment.

    `events` is what it will tell the feed, and `entries` what it will put into the audit log.
    """

    def __init__(self, connection: Connection, database: Database, now: datetime) -> None:
        self._cursor = connection.cursor()
        self._database = database
        self.now = now
        self.events: list[Mapping[str, Any]] = []
        self.entries: list[Mapping[str, Any]] = []

    def all(self, statement: Statement, **parameters: Any) -> list[Row]:
        """Every row the statement returns."""
        compiled = statement.compiled(self._database.dialect)
        self._cursor.execute(compiled.text, compiled.bind(parameters))
        return compiled.read(self._cursor.fetchall())

    def first(self, statement: Statement, **parameters: Any) -> Row | None:
        """The first row, or None."""
        rows = self.all(statement, **parameters)
        return rows[0] if rows else None

    def run(self, statement: Statement, **parameters: Any) -> int:
        """Execute, and tell how many rows were touched."""
        compiled = statement.compiled(self._database.dialect)
        self._cursor.execute(compiled.text, compiled.bind(parameters))
        return int(self._cursor.rowcount)

    def run_many(self, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each row of parameters."""
        compiled = statement.compiled(self._database.dialect)
        self._cursor.executemany(compiled.text, [compiled.bind(row) for row in rows])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """All of the block, or none of it: on an error its writes and what it tells are taken back."""
        told, entered = len(self.events), len(self.entries)
        self._cursor.execute("SAVEPOINT operation")
        try:
            yield
        except Exception as error:
            del self.events[told:]
            del self.entries[entered:]
            self._take_back(error)
            raise
        self._cursor.execute("RELEASE SAVEPOINT operation")

    def _take_back(self, cause: Exception) -> None:
        try:
            self._cursor.execute("ROLLBACK TO SAVEPOINT operation")
            self._cursor.execute("RELEASE SAVEPOINT operation")
        except Exception as worse:  # noqa: BLE001 - one of the two is raised
            # SQLite takes back all of it when the disk is full: then that is what to tell.
            raise (cause if self._database.failure(cause) else worse) from None
