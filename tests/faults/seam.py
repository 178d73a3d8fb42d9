"""The one seam of all fault tests: a database whose writing connections tell of every statement they run.

It stands between the store and the driver, so the broker above and the database below are the real
ones, and whatever statement a handler will run next year is covered without a word here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from buildd.store import Database, database_of

Step = Callable[[], Any]
Fault = Callable[[str, Step], Any]
"""Is given the text of a statement and the step that runs it; may run it, raise, or end the process.

Of statements that Postgres is sent together, the step is to send it.
"""


class FaultyDatabase:
    """A real database that runs each statement of its writers through a `fault`."""

    def __init__(self, url: str, fault: Fault, writers: int | None) -> None:
        self._database = database_of(url)
        self._fault = fault
        self.writers = writers or self._database.writers

    def connect(self, *, reading: bool = False) -> Any:
        """A connection; one for reading is as it was."""
        connection = self._database.connect(reading=reading)
        return connection if reading else _Connection(connection, self._fault)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def faulty(url: str, fault: Fault, *, writers: int | None = None) -> Database:
    """The database at a URL, with faults; and with fewer writers, where only one thing happens at a time."""
    database: Any = FaultyDatabase(url, fault, writers)
    return database  # type: ignore[no-any-return]


class _Connection:
    def __init__(self, connection: Any, fault: Fault) -> None:
        self._connection = connection
        self._fault = fault

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection.cursor(), self._fault)

    def rollback(self) -> None:
        self._fault("ROLLBACK", self._connection.rollback)

    def close(self) -> None:
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Cursor:
    def __init__(self, cursor: Any, fault: Fault) -> None:
        self._cursor = cursor
        self._fault = fault

    def execute(self, text: str, *values: Any) -> Any:
        try:
            return self._fault(text, lambda: self._cursor.execute(text, *values))
        except Exception:
            with suppress(Exception):
                self._cursor.fetchall()  # a driver leaves no statement half read when it raises
            raise

    def executemany(self, text: str, rows: Any) -> Any:
        return self._fault(text, lambda: self._cursor.executemany(text, rows))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)
