"""What a handler does its reading and writing with: an open transaction, and the moment it happens at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from buildd.clock import Clock
from buildd.store.dialects import Connection, Database, Failure
from buildd.store.statement import Row, Statement


class Spoiled(BaseException):
    """What was written has to be taken back, and there is no savepoint: all of it must run again.

    Nobody but the writer may catch it, so it is no `Exception`.
    """


class Transaction:
    """An open transaction.

    `events` is what it will tell the feed, and `entries` what it will put into the audit log. A
    `careful` one sets the savepoints that are asked for; any other bets that none will be needed.
    """

    def __init__(
        self,
        connection: Connection,
        database: Database,
        clock: Clock | None = None,
        *,
        careful: bool = True,
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._database = database
        self._clock = clock
        self._careful = careful
        self._writes = 0
        self.events: list[Mapping[str, Any]] = []
        self.entries: list[Mapping[str, Any]] = []

    @cached_property
    def now(self) -> datetime:
        """Its one moment, by the given clock or the database's."""
        return self._clock.now() if self._clock else self._database.now(self._connection)

    def all(self, statement: Statement, **parameters: Any) -> list[Row]:
        """Every row the statement returns."""
        compiled = statement.compiled(self._database.dialect)
        self._writes += compiled.writes
        self._cursor.execute(compiled.text, compiled.bind(parameters))
        return compiled.read(self._cursor.fetchall())

    def first(self, statement: Statement, **parameters: Any) -> Row | None:
        """The first row, or None."""
        rows = self.all(statement, **parameters)
        return rows[0] if rows else None

    def run(self, statement: Statement, **parameters: Any) -> int:
        """Execute, and tell how many rows were touched."""
        compiled = statement.compiled(self._database.dialect)
        self._writes += compiled.writes
        self._cursor.execute(compiled.text, compiled.bind(parameters))
        return int(self._cursor.rowcount)

    def run_many(self, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each row of parameters."""
        compiled = statement.compiled(self._database.dialect)
        if bound := [compiled.bind(row) for row in rows]:
            self._writes += compiled.writes
            self._cursor.executemany(compiled.text, bound)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """All of the block, or none of it: on an error its writes and what it tells are taken back.

        Raises `Spoiled` for writes of a transaction that is not careful.
        """
        told, entered, writes = len(self.events), len(self.entries), self._writes
        if self._careful:
            self._cursor.execute("SAVEPOINT operation")
        try:
            yield
        except Exception as error:
            del self.events[told:]
            del self.entries[entered:]
            if self._careful:
                self._take_back(error)
            elif self._writes != writes or self._database.failure(error) is Failure.STATEMENT:
                raise Spoiled from error
            raise
        if self._careful:
            self._cursor.execute("RELEASE SAVEPOINT operation")

    def _take_back(self, cause: Exception) -> None:
        try:
            self._cursor.execute("ROLLBACK TO SAVEPOINT operation")
            self._cursor.execute("RELEASE SAVEPOINT operation")
        except Exception as worse:  # noqa: BLE001 - one of the two is raised
            # SQLite takes back all of it when the disk is full: then that is what to tell.
            raise (cause if self._database.failure(cause) else worse) from None
