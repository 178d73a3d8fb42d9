"""The doorbell: tells this process's feed, and those of other servers, that something was committed.

It carries nothing. On Postgres it is NOTIFY, sent beside the writers and at most twenty times a
second, because a NOTIFY inside each transaction makes all of them wait for one lock. Whoever does
not hear it finds out by polling.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import Any

from buildd.store.dialects import Database, Postgres

_CHANNEL = "buildd"
_COALESCE_SECONDS = 0.05
_LISTEN_SECONDS = 0.5
_AGAIN_SECONDS = 2.0

log = logging.getLogger("buildd.store")


class Bell:
    """Rings in this process; `waiting` is what its feed waits on."""

    poll_seconds = 0.25
    """How soon commits are noticed that were made where this bell does not reach."""

    def __init__(self) -> None:
        self.waiting = threading.Event()

    def ring(self) -> None:
        """Something was committed here."""
        self.waiting.set()

    def close(self) -> None:
        """Be silent."""


class PostgresBell(Bell):
    """Rings in every process that is connected to the same database."""

    poll_seconds = 1.0

    def __init__(self, database: Postgres) -> None:
        super().__init__()
        self._database = database
        self._outgoing = threading.Event()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._keep, args=[loop], name=f"buildd-bell-{name}", daemon=True
            )
            for name, loop in (("listen", self._listen), ("notify", self._notify))
        ]
        for thread in self._threads:
            thread.start()

    def ring(self) -> None:
        """Something was committed here: tell this process at once, and the others soon."""
        self.waiting.set()
        self._outgoing.set()

    def close(self) -> None:
        """Let go of both connections."""
        self._stopped.set()
        self._outgoing.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, loop: Any) -> None:
        while not self._stopped.is_set():
            try:
                with closing(self._database.connect()) as connection:
                    loop(connection)
            except Exception as error:  # noqa: BLE001 - the bell is only a hint, and must not end
                log.warning("the doorbell is silent, polling instead: %s", error)
                self._stopped.wait(_AGAIN_SECONDS)

    def _listen(self, connection: Any) -> None:
        connection.execute(f"LISTEN {_CHANNEL}")
        while not self._stopped.is_set():
            for _ in connection.notifies(timeout=_LISTEN_SECONDS, stop_after=1):
                self.waiting.set()

    def _notify(self, connection: Any) -> None:
        while not self._stopped.is_set():
            self._outgoing.wait()
            self._outgoing.clear()
            connection.execute(f"NOTIFY {_CHANNEL}")
            self._stopped.wait(_COALESCE_SECONDS)
        connection.execute(f"NOTIFY {_CHANNEL}")  # wakes its own listener too, so that it ends


def bell_of(database: Database) -> Bell:
    """The bell that reaches as far as the database does."""
    return PostgresBell(database) if isinstance(database, Postgres) else Bell()
