"""The limit: our server with all its routes, on a broker that has a task's life in dictionaries.

What this cannot do faster, no database can. Everything but the four verbs of a lifecycle and their
lease tokens goes to a real broker, which nobody measures.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from buildd.broker import HERE, Broker, BrokerSettings, Origin, Principal, PrincipalKind
from buildd.ids import Kind, Secret, digest, new_id, new_secret
from buildd.models import Claim, Claimed, NewLease, Task, Worker
from buildd.operations import ClaimTasks, CompleteWorker, CreateTask, Operation, StartWorker
from buildd.states import TaskStatus, WorkerStatus
from buildd_server import logs
from buildd_server.app import create_app
from buildd_server.listening import listen
from buildd_server.serving import Server
from buildd_server.settings import Settings

R = TypeVar("R")
T = TypeVar("T")
_TTL = timedelta(seconds=60)


class MemoryBroker(Broker):
    """Answers at once, on whatever thread asks: there is only the server's."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._pending: deque[Task] = deque()
        self._workers: dict[str, Worker] = {}
        self._leases: dict[str, Principal] = {}
        self._verbs: dict[type[Any], Callable[[Any, Principal], Any]] = {
            CreateTask: self._create,
            ClaimTasks: self._claim,
            StartWorker: self._start,
            CompleteWorker: self._complete,
        }

    def submit(
        self, operation: Operation[R], principal: Principal, origin: Origin = HERE
    ) -> Future[R]:
        """Have an operation done."""
        verb = self._verbs.get(type(operation))
        if verb is None:
            return super().submit(operation, principal, origin)
        return _settled(verb(operation, principal))

    def authenticate(self, key: str) -> Future[Principal]:
        """Who has this key."""
        lease = self._leases.get(digest(key, self._pepper))
        return super().authenticate(key) if lease is None else _settled(lease)

    def _create(self, operation: CreateTask, who: Principal) -> Task:
        now = datetime.now(UTC)
        task = Task(
            id=new_id(Kind.TASK),
            status=TaskStatus.PENDING,
            created_at=now,
            updated_at=now,
            **operation.model_dump(by_alias=False, exclude={"idempotency_key"}),
        )
        self._pending.append(task)
        return task

    def _claim(self, operation: ClaimTasks, who: Principal) -> Claim:
        if not self._pending:
            return Claim(workers=[])
        now, id_, token = datetime.now(UTC), new_id(Kind.WORKER), new_secret(Secret.LEASE)
        held = {"status": TaskStatus.ASSIGNED, "claimed_by": who.account_id, "claimed_at": now}
        task = self._pending.popleft().model_copy(update=held)
        worker = self._workers[id_] = Worker(
            id=id_,
            task_id=task.id,
            workspace_id=task.workspace_id,
            account_id=who.name,
            name="worker",
            branch=f"buildd/{task.id}",
            status=WorkerStatus.IDLE,
            runner=operation.runner,
            epoch=1,
            created_at=now,
            updated_at=now,
        )
        self._leases[digest(token, self._pepper)] = Principal(
            PrincipalKind.LEASE, worker_id=id_, task_id=task.id, workspace_id=task.workspace_id
        )
        lease = NewLease(token=token, epoch=1, expires_at=now + _TTL, heartbeat_seconds=20)
        made = Claimed(
            id=id_, task_id=task.id, branch=worker.branch, task=task, worker=worker, lease=lease
        )
        return Claim(workers=[made])

    def _start(self, operation: StartWorker, who: Principal) -> Worker:
        return self._step(operation.id, WorkerStatus.RUNNING)

    def _complete(self, operation: CompleteWorker, who: Principal) -> Worker:
        return self._step(operation.id, WorkerStatus.COMPLETED)

    def _step(self, id_: str, status: WorkerStatus) -> Worker:
        changed = {"status": status, "updated_at": datetime.now(UTC)}
        worker = self._workers[id_] = self._workers[id_].model_copy(update=changed)
        return worker


def _settled(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--database", required=True)
def main(port: int, database: str) -> None:
    """Serve, as `buildd server` does."""
    settings = Settings.of(os.environ, host="127.0.0.1", port=port, database=database)
    access_log = logs.set_up(settings)
    [listener] = listen(settings.host, port)
    broker = MemoryBroker.open(database, BrokerSettings(admin_key=settings.admin_key))
    with listener, closing(broker):
        said = f"listens on http://127.0.0.1:{listener.getsockname()[1]} (memory)"
        app = create_app(broker, settings, access_log)
        Server(app, lambda: click.echo(said)).run([listener])


if __name__ == "__main__":
    main()
