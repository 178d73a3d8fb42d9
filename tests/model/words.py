"""The words in which the model says what an operation does: callers, refusals, and who holds what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from buildd.broker import PrincipalKind
from buildd.errors import BuilddError
from buildd.models import Beat, Order
from buildd.operations import Operation
from buildd.states import WORKER, WorkerVerb
from tests.model.things import Task, Worker
from tests.model.world import World

ADMIN, ACCOUNT, LEASE = PrincipalKind.ADMIN, PrincipalKind.ACCOUNT, PrincipalKind.LEASE

F = TypeVar("F", bound=Callable[..., None])

HANDLERS: dict[type[Operation[Any]], Callable[..., None]] = {}
"""What the model does for each operation."""


def does(operation: type[Operation[Any]]) -> Callable[[F], F]:
    """Mark the method that tells an operation."""

    def register(handler: F) -> F:
        HANDLERS[operation] = handler
        return handler

    return register


class Caller(NamedTuple):
    """Who asks, and with which secret; a lease's epoch is the one its token was made for."""

    kind: PrincipalKind
    account: str | None = None
    worker: str | None = None
    epoch: int | None = None
    key: str = ""

    @property
    def viewer(self) -> str | None:
        return self.account if self.kind is ACCOUNT else None


class RefusalError(Exception):
    """The model says that the operation is refused with this code."""

    def __init__(self, code: str, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Words:
    """Who may see a task, who holds a worker, and how that is refused."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.holders: dict[str, Caller] = {}
        """By token: whose lease it is or was."""

    def _task(self, task_id: str, caller: Caller) -> Task:
        task = self.world.tasks.get(task_id)
        if task is None or not self.world.sees(caller.viewer, task.workspace):
            raise RefusalError("not_found")
        return task

    def _worker(self, worker_id: str, caller: Caller) -> Worker:
        if caller.kind is LEASE:
            return self._own(caller, worker=worker_id)
        worker = self.world.workers.get(worker_id)
        if worker is None or not self.world.sees(caller.viewer, worker.workspace):
            raise RefusalError("not_found")
        return worker

    def _own(self, caller: Caller, *, worker: str | None = None, task: str | None = None) -> Worker:
        mine = self.world.workers.get(str(caller.worker))
        if mine is None or mine.id != (worker or mine.id) or mine.task != (task or mine.task):
            raise RefusalError("not_found")
        return mine

    def _holds(self, worker: Worker, caller: Caller) -> bool:
        return worker.epoch == caller.epoch and worker.held and worker.live

    def _held(self, worker: Worker, caller: Caller) -> None:
        if not self._holds(worker, caller):
            raise RefusalError("lease_lost", self._why_lost(worker))

    def _why_lost(self, worker: Worker) -> str:
        if worker.live:
            return "superseded"
        return worker.code or worker.status.value

    def _step(self, worker: Worker, verb: WorkerVerb, got: Any) -> None:
        if not WORKER.allows(verb, worker.status):
            raise RefusalError("wrong_state")
        accepted(got)
        worker.status = WORKER.step(verb).target

    def _repeats(self, op: Operation[Any], worker: Worker, caller: Caller, got: Any) -> bool:
        if self._holds(worker, caller):
            return False
        if worker.epoch != caller.epoch or worker.report != op:
            raise RefusalError("lease_lost", self._why_lost(worker))
        agree(accepted(got).status, worker.status)
        return True


def accepted(got: Any) -> Any:
    """The broker's answer, where the model says that there must be one."""
    assert not isinstance(got, BuilddError), f"refused without a reason: {got!r}"
    return got


def agree(got: object, want: object) -> None:
    assert got == want, f"the broker says {got!r}, the model {want!r}"


def beat(got: Any) -> tuple[list[Order], int, int, Any]:
    answer: Beat = accepted(got)
    return answer.orders, len(answer.messages), answer.lease.epoch, answer.lease.expires_at
