"""What a handler does its reading and writing with: an open transaction, and the moment it happens at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from buildd.clock import Clock
from buildd.store.dialects import Connection, Database, Failure
from buildd.store.statement import Compiled, Row, Statement


class Spoiled(BaseException):
    """What was written has to be taken back, and there is no savepoint: all of it must run again.

    Nobody but the writer may catch it, so it is no `Exception`.
    """


class _Answer:
    """What a statement returns. SQLite rolls nothing back beside one that is half read."""

    def __init__(self, cursor: Any, *, at_once: bool) -> None:
        self._cursor = cursor
        self._at_once = at_once
        self._rows: list[Any] | None = None
        self.sent = False

    def execute(self, text: str, bound: Any) -> None:
        self._cursor.execute(text, bound)
        self.sent = True
        if self._at_once:
            self._rows = self._cursor.fetchall()

    def rows(self) -> list[Any]:
        """As the driver has them."""
        if self._rows is None:
            self._rows = self._cursor.fetchall()
        return self._rows


class Transaction:
    """An open transaction.

    `events` is what it will tell the feed, and `entries` what it will put into the audit log.

    A `careful` one executes each statement at once, and sets the savepoints that are asked for. Any
    other bets that all will go well: what needs no answer yet is sent together with the next statement
    that does, because on Postgres the way there and back is most of what a statement costs. It is held
    back on this side, and sent whole: for a server that freezes in the middle of the sending, Postgres
    would wait.
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
        self._database = database
        self._clock = clock
        self._careful = careful
        self._cursor = connection.cursor()
        self._sender = connection.cursor()
        self._unsent: list[tuple[Callable[..., Any], str, Any]] = []
        self._writes = 0
        self.events: list[Mapping[str, Any]] = []
        self.entries: list[Mapping[str, Any]] = []

    @cached_property
    def now(self) -> datetime:
        """Its one moment, by the given clock or the database's."""
        return self._clock.now() if self._clock else self._database.now(self._connection)

    def ask(self, statement: Statement, **parameters: Any) -> Callable[[], list[Row]]:
        """Send a statement; its rows are there when they are called for.

        Rows that are there by then send nothing else, so a later statement fails when it is sent.
        """
        answer = _Answer(self._connection.cursor(), at_once=not self._database.distant)
        compiled = self._send(answer.execute, statement, parameters)

        def rows() -> list[Row]:
            if not answer.sent:
                self.flush()
            return compiled.read(answer.rows())

        return rows

    def all(self, statement: Statement, **parameters: Any) -> list[Row]:
        """Every row the statement returns."""
        compiled = self._send(self._cursor.execute, statement, parameters)
        self.flush()
        return compiled.read(self._cursor.fetchall())

    def first(self, statement: Statement, **parameters: Any) -> Row | None:
        """The first row, or None."""
        rows = self.all(statement, **parameters)
        return rows[0] if rows else None

    def touch(self, statement: Statement, **parameters: Any) -> int:
        """Execute, and tell how many rows were touched."""
        self._send(self._cursor.execute, statement, parameters)
        self.flush()
        return int(self._cursor.rowcount)

    def run(self, statement: Statement, **parameters: Any) -> None:
        """Send a statement whose outcome is of no interest, unless it fails."""
        self._send(self._sender.execute, statement, parameters)

    def run_many(self, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Send it once for each row of parameters."""
        compiled = statement.compiled(self._database.dialect)
        if bound := [compiled.bind(row) for row in rows]:
            self._queue(self._sender.executemany, compiled, bound)

    def flush(self) -> None:
        """Have all done that was sent."""
        unsent, self._unsent = self._unsent, []
        if len(unsent) == 1:
            [(execute, text, bound)] = unsent
            execute(text, bound)
        elif unsent:
            with self._database.together(self._connection):
                for execute, text, bound in unsent:
                    execute(text, bound)

    def _send(
        self, execute: Callable[..., Any], statement: Statement, parameters: Mapping[str, Any]
    ) -> Compiled:
        compiled = statement.compiled(self._database.dialect)
        self._queue(execute, compiled, compiled.bind(parameters))
        return compiled

    def _queue(self, execute: Callable[..., Any], compiled: Compiled, bound: Any) -> None:
        self._writes += compiled.writes
        self._unsent.append((execute, compiled.text, bound))
        if self._careful:
            self.flush()

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
