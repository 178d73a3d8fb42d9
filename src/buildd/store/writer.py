"""Group commit: what waits becomes one transaction, and is answered after the commit.

Durability costs one flush for a whole batch. An operation that fails before it has written fails
alone. One that fails later, or that the database refuses, spoils the batch, which runs again with a
savepoint for each: too rare to make everybody pay for savepoints. A failed transaction is rolled back
whole and its operations run one by one; a COMMIT whose fate is unknown is answered as exactly that.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from buildd.clock import Clock
from buildd.errors import BuilddError, OutcomeUnknown, Unavailable
from buildd.store.dialects import Connection, Database, Failure, explain
from buildd.store.sql.audit_log import append_entries
from buildd.store.sql.events import append_events
from buildd.store.transaction import Spoiled, Transaction

MAX_BATCH = 50
_TRIES = 5

log = logging.getLogger("buildd.store")


@dataclass(frozen=True)
class Job:
    """Work for a writer. It may run more than once, so it must do nothing outside the transaction."""

    work: Callable[[Transaction], Any]
    order: str = ""
    """Jobs of a batch run in this order, so that two writers lock accounts in the same one."""
    future: Future[Any] = field(default_factory=Future)


class Refused(Exception):
    """Raised by nobody: returned by work whose writes must stay although its caller gets an error."""

    def __init__(self, error: BuilddError) -> None:
        self.error = error


class Writer:
    """One connection and one thread that commit what they are given, in batches."""

    def __init__(
        self,
        database: Database,
        jobs: queue.SimpleQueue[Job | None],
        clock: Clock | None,
        committed: Callable[[int], None],
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._clock = clock
        self._committed = committed
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="buildd-writer", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until it has finished what it was given before the closing None."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            batch, last = self._next_batch()
            if batch:
                self._settle(batch)
            if last:
                self._disconnect()
                return

    def _next_batch(self) -> tuple[list[Job], bool]:
        batch: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                batch.append(job)
            if len(batch) >= MAX_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _settle(self, batch: Sequence[Job]) -> None:
        try:
            outcomes = self._commit(sorted(batch, key=lambda job: job.order))
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            again = len(batch) > 1 or self._may_pass(error)
            for job in batch:
                if again and not isinstance(error, OutcomeUnknown):
                    self._settle_alone(job)
                else:
                    job.future.set_exception(explain(self._database, error))
            return
        self._answer(outcomes)

    def _settle_alone(self, job: Job) -> None:
        problem: Exception = Unavailable()
        for _ in range(_TRIES):
            try:
                outcomes = self._commit([job])
            except Exception as error:  # noqa: BLE001 - see above
                problem = error
                if not self._may_pass(error):
                    break
            else:
                self._answer(outcomes)
                return
        job.future.set_exception(explain(self._database, problem))

    def _answer(self, outcomes: Sequence[tuple[Job, Any]]) -> None:
        self._committed(len(outcomes))
        for job, outcome in outcomes:
            if isinstance(outcome, Refused):
                job.future.set_exception(outcome.error)
            elif isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)

    def _commit(self, batch: Sequence[Job]) -> list[tuple[Job, Any]]:
        try:
            return self._commit_once(batch, careful=False)
        except Spoiled:
            return self._commit_once(batch, careful=True)

    def _commit_once(self, batch: Sequence[Job], *, careful: bool) -> list[tuple[Job, Any]]:
        connection = self._connect()
        cursor = connection.cursor()
        try:
            moment = self._database.begin(connection)
            tx = Transaction(connection, self._database, self._clock, careful=careful)
            if self._clock is None:
                tx.now = moment
            outcomes = self._perform(batch, tx)
        except BaseException as error:
            self._roll_back(connection, error)
            raise
        try:
            cursor.execute("COMMIT")
        except Exception as error:
            self._roll_back(connection, error)
            if self._database.failure(error) is Failure.CONNECTION:
                raise OutcomeUnknown from error
            raise
        return outcomes

    def _perform(self, batch: Sequence[Job], tx: Transaction) -> list[tuple[Job, Any]]:
        outcomes = [(job, self._attempt(job, tx)) for job in batch]
        with tx.savepoint():  # what the last of them sent may still be refused
            for write in [append_events(tx), append_entries(tx)]:
                write()
            tx.flush()
        return outcomes

    def _attempt(self, job: Job, tx: Transaction) -> Any:
        try:
            with tx.savepoint():
                return job.work(tx)
        except BuilddError as error:
            return error
        except Exception as error:
            meaning = self._database.failure(error)
            if meaning is None or meaning is Failure.STATEMENT:
                return explain(self._database, error)
            raise

    def _may_pass(self, error: Exception) -> bool:
        return self._database.failure(error) in {Failure.CONFLICT, Failure.CONNECTION}

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.connect()
        return self._connection

    def _roll_back(self, connection: Connection, error: BaseException) -> None:
        lost = isinstance(error, Exception) and (
            self._database.failure(error) is Failure.CONNECTION
        )
        try:
            connection.rollback()
        except Exception:  # noqa: BLE001 - nothing is left to roll back; the next batch connects anew
            lost = True
        if lost:
            log.warning("the database connection has to be replaced: %s", error)
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
