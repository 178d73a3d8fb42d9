"""A database whose writer can be stopped before any statement: so every order of two sessions can be had."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import make_url

from buildd.store.dialects import Postgres


class Gate:
    """Stops whoever comes to the statement with a certain number, until it is opened."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._open = threading.Event()
        self._stop_at: int | None = None
        self._count = 0

    def stop_at(self, statement: int) -> None:
        self.arrived.clear()
        self._open.clear()
        self._count, self._stop_at = 0, statement

    def let_go(self) -> None:
        self._stop_at = None
        self._open.set()

    def passes(self) -> None:
        self._count += 1
        if self._stop_at is not None and self._count > self._stop_at:
            self._stop_at = None
            self.arrived.set()
            self._open.wait()


class GatedPostgres(Postgres):
    """Postgres with one writer, whose statements pass a gate."""

    writers = 1

    def __init__(self, url: str) -> None:
        super().__init__(make_url(url))
        self.gate = Gate()
        self.backend = 0
        """The writer's process id in Postgres."""

    def connect(self, *, reading: bool = False) -> Any:
        connection: Any = super().connect(reading=reading)
        if threading.current_thread().name != "buildd-writer":
            return connection
        self.backend = connection.info.backend_pid
        return _Connection(connection, self.gate.passes)


class _Connection:
    def __init__(self, connection: Any, passes: Callable[[], None]) -> None:
        self._connection = connection
        self._passes = passes

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection.cursor(), self._passes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Cursor:
    def __init__(self, cursor: Any, passes: Callable[[], None]) -> None:
        self._cursor = cursor
        self._passes = passes

    def execute(self, *arguments: Any) -> Any:
        self._passes()
        return self._cursor.execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        self._passes()
        return self._cursor.executemany(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)
