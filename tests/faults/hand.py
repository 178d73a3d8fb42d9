"""Whoever acts in a scenario: a broker, a clock, and a book of what was answered so far.

The book holds plain values only, so that it can outlive the process that wrote it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Principal
from buildd.errors import NotClaimable
from buildd.lease import LeaseTimes
from buildd.models import Claimed
from buildd.operations import Operation
from buildd.states import CLOSED, HELD, TaskStatus, WorkerStatus
from buildd.store import Database
from buildd.testing import FrozenClock

R = TypeVar("R")

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMES = LeaseTimes()


class Hand:
    """Does operations on a broker whose clock stands still, and notes what they answer."""

    def __init__(self, database: Database, book: dict[str, Any]) -> None:
        self.book = book
        self.clock = FrozenClock(START + timedelta(seconds=book.get("elapsed", 0)))
        self.broker = Broker(database, BrokerSettings(clock=self.clock, lease=TIMES))
        self.broker.housekeeper.close()
        self.broker.reaper.close()  # its further passes are steps of a scenario, not of a thread

    def close(self) -> None:
        self.broker.close()

    def wait(self, seconds: float) -> None:
        """Let time pass, for whoever takes the book over too."""
        self.book["elapsed"] = self.book.get("elapsed", 0) + seconds
        self.clock.advance(seconds)

    def pass_over(self) -> None:
        """Have the reaper pass, as late as it may without believing that the server was away."""
        self.wait(TIMES.heartbeat)
        self.broker.reaper.sweep()

    def do(self, operation: Operation[R], by: str | None = None) -> R:
        """As the administrator, or by a key or lease token that the book holds under a name."""
        caller = ADMIN if by is None else self.who(by)
        return self.broker.execute(operation, caller)

    def who(self, name: str) -> Principal:
        return self.broker.authenticate(self.book[name]).result()

    def house(self) -> None:
        """A workspace and an account that may work in it."""
        self.book["ws"] = self.do(ops.CreateWorkspace(name="shop")).id
        self.account("agent", max_cost_per_day=20, max_concurrent_workers=10)

    def account(self, name: str, **limits: Any) -> None:
        made = self.do(ops.CreateAccount(type="user", name=name, **limits))
        self.book[name], self.book[f"{name}.id"], self.book[f"{name}.key"] = (
            made.api_key,
            made.id,
            made.key_id,
        )
        self.do(ops.GrantWorkspace(account_id=made.id, workspace_id=self.book["ws"]))

    def task(self, name: str, **fields: Any) -> None:
        depends_on = [self.book[parent] for parent in fields.pop("after", [])]
        operation = ops.CreateTask(
            workspace_id=self.book["ws"], title=name, depends_on=depends_on, **fields
        )
        self.book[name] = self.do(operation).id

    def claim(self, *tasks: str, by: str = "agent", **fields: Any) -> None:
        """Claim these tasks; the book then has `<task>.worker` and `<task>.lease`."""
        for name in tasks:
            operation = ops.ClaimTasks(task_id=self.book[name], agent_id="laptop", **fields)
            answer = self.do(operation, by)
            if answer.reason is not None:
                raise NotClaimable(answer.reason.message)
            self.note(name, answer.workers[0])

    def note(self, task: str, claimed: Claimed) -> None:
        self.book[f"{task}.worker"] = claimed.id
        self.book[f"{task}.lease"] = claimed.lease.token

    def start(self, task: str) -> None:
        self.do(ops.StartWorker(id=self.book[f"{task}.worker"]), f"{task}.lease")

    def beat(self, task: str, **report: Any) -> None:
        self.do(ops.Heartbeat(id=self.book[f"{task}.worker"], **report), f"{task}.lease")

    def running(self, task: str, **fields: Any) -> None:
        self.task(task, **fields)
        self.claim(task)
        self.start(task)
        self.beat(task, status="running")

    def complete(self, task: str) -> None:
        worker = self.book[f"{task}.worker"]
        self.do(ops.CompleteWorker(id=worker, result={"of": task}), f"{task}.lease")

    def fail(self, task: str, *, retryable: bool = True) -> None:
        worker = self.book[f"{task}.worker"]
        operation = ops.FailWorker(id=worker, error="no", retryable=retryable)
        self.do(operation, f"{task}.lease")

    def finish_everything(self) -> list[str]:
        """Be a living installation for a while; tell which tasks are not over even then.

        Agents that were there before are dead: the reaper must get their tasks back.
        """
        for _ in range(8):
            self._outlive_the_dead()
            self._work_off()
            if not self._open_tasks():
                return []
        return [f"{task.id} is stuck: {task.status}, {task.error}" for task in self._open_tasks()]

    def _outlive_the_dead(self) -> None:
        for _ in range(4):
            self.pass_over()
        self.wait(24 * 3600)  # past every pause between attempts, to a fresh budget
        self.broker.reaper.sweep()
        for worker in self.do(ops.ListWorkers(status=WorkerStatus.PAUSED, limit=200)):
            self.do(ops.ReleaseTask(id=worker.task_id))  # its agent will never resume

    def _work_off(self) -> None:
        self.account("last", max_cost_per_day=1000, max_concurrent_workers=50)
        while claimed := self.do(ops.ClaimTasks(max_tasks=50), "last").workers:
            for each in claimed:
                self.book["lease"] = each.lease.token
                self.do(ops.StartWorker(id=each.id), "lease")
                self.do(ops.CompleteWorker(id=each.id), "lease")

    def _open_tasks(self) -> list[Any]:
        tasks = self.do(ops.ListTasks(limit=200))
        assert all(task.status in {*CLOSED, *HELD, TaskStatus.PENDING} for task in tasks)
        return [task for task in tasks if task.status not in CLOSED]
