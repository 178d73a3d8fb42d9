"""The store: writers that commit in groups, and readers that do not wait for them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

from buildd.clock import Clock
from buildd.errors import BuilddError, Unavailable
from buildd.figures import Distribution
from buildd.store.bell import bell_of
from buildd.store.dialects import Connection, Database, Failure, explain
from buildd.store.schema import upgrade_database
from buildd.store.transaction import Transaction
from buildd.store.writer import MAX_BATCH, Job, Refused, Writer

T = TypeVar("T")

READERS = 4
_BATCHES = (1, 2, 5, 10, 20, MAX_BATCH)


class Store:
    """An open database. `clock` replaces the database's own in tests."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        upgrade_database(database)
        self.database = database
        self.bell = bell_of(database)
        self._clock = clock
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.batches = Distribution(*_BATCHES)
        """How many operations were committed together."""
        self._writers = [
            Writer(database, self._jobs, clock, self._committed) for _ in range(database.writers)
        ]
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="buildd-reader")
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def write(self, work: Callable[[Transaction], T | Refused], order: str = "") -> Future[T]:
        """Have work done in a transaction; the future ends after its commit."""
        job = Job(work, order)
        with self._lock:
            if self._closed:
                raise Unavailable("this broker is closed")
            self._jobs.put(job)
        return cast("Future[T]", job.future)

    def read(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Have questions answered from what is committed, beside the writers."""
        try:
            return self._readers.submit(self._read, work)
        except RuntimeError:
            raise Unavailable("this broker is closed") from None

    def look(self, work: Callable[[Transaction], T]) -> T:
        """The same at once, for a thread that looks again and again."""
        return self._read(work)

    def close(self) -> None:
        """Finish what was accepted, then let go of every connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for _ in self._writers:
                self._jobs.put(None)
        for writer in self._writers:
            writer.join()
        self._readers.shutdown()
        self.bell.close()
        for connection in self._opened:
            connection.close()

    @property
    def waiting(self) -> int:
        """How many operations wait for a writer."""
        return self._jobs.qsize()

    def _committed(self, operations: int) -> None:
        self.batches.add(operations)
        self.bell.ring()

    def _read(self, work: Callable[[Transaction], T]) -> T:
        try:
            try:
                return self._read_once(work)
            except Exception as error:
                if self.database.failure(error) is not Failure.CONNECTION:
                    raise
                self._disconnect()
            return self._read_once(work)
        except BuilddError:
            raise
        except Exception as error:
            raise explain(self.database, error) from error

    def _read_once(self, work: Callable[[Transaction], T]) -> T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.database.connect(reading=True)
            with self._lock:
                self._opened.append(connection)
        return work(Transaction(connection, self.database, self._clock))

    def _disconnect(self) -> None:
        """Let go of this thread's connection, which is lost."""
        connection, self._local.connection = self._local.connection, None
        with self._lock:
            self._opened.remove(connection)
        connection.close()
