"""A broker on a fresh database, a workspace in it, and a crowd of threads that begin at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from threading import Barrier
from typing import Any, TypeVar

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, Principal
from buildd.models import Claimed, NewAccount, Task
from buildd.operations import Operation
from buildd.store import audit

R = TypeVar("R")

MANY = 500
BROKERS = 4


class Field:
    """An installation with one workspace, on which a crowd is let loose.

    A broker answers a crowd in groups, one after the other; so it has several on one database, and
    each racer goes to another one.
    """

    def __init__(self, *brokers: Broker) -> None:
        self.broker = brokers[0]
        self._brokers = cycle(brokers)
        self.workspace = self.admin(ops.CreateWorkspace(name="field"))
        self.limits: dict[str, int] = {}

    def admin(self, operation: Operation[R]) -> R:
        return self.broker.execute(operation, ADMIN)

    def account(self, slots: int, **limits: Any) -> NewAccount:
        made = self.admin(
            ops.CreateAccount(type="service", name="racer", max_concurrent_workers=slots, **limits)
        )
        self.admin(ops.GrantWorkspace(account_id=made.id, workspace_id=self.workspace.id))
        self.limits[made.id] = slots
        return made

    def racer(self, slots: int, **limits: Any) -> Principal:
        return self.broker.authenticate(self.account(slots, **limits).api_key).result()

    def tasks(self, count: int, **fields: Any) -> list[Task]:
        made: list[Task] = []
        while len(made) < count:
            new = ops.BatchedTask(workspace_id=self.workspace.id, title="race", **fields)
            made += self.admin(ops.CreateTasks(tasks=[new] * min(MANY, count - len(made))))
        return made

    def claim(self, racer: Principal, **fields: Any) -> list[Claimed]:
        return next(self._brokers).execute(ops.ClaimTasks(**fields), racer).workers

    def holding(self, racer: Principal, **fields: Any) -> tuple[Claimed, Principal]:
        [claimed] = self.claim(racer, **fields)
        lease = self.broker.authenticate(claimed.lease.token).result()
        self.broker.execute(ops.StartWorker(id=claimed.id), lease)
        return claimed, lease

    def finish(self, claimed: Claimed, **spent: Any) -> None:
        broker = next(self._brokers)
        lease = broker.authenticate(claimed.lease.token).result()
        broker.execute(ops.StartWorker(id=claimed.id), lease)
        if spent:
            broker.execute(ops.Heartbeat(id=claimed.id, **spent), lease)
        broker.execute(ops.CompleteWorker(id=claimed.id), lease)


def at_once(crowd: int, work: Callable[[int], R]) -> list[R]:
    """Run it in so many threads, which begin together; gives what each returned."""
    gate = Barrier(crowd)

    def run(number: int) -> R:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(crowd) as pool:
        return list(pool.map(run, range(crowd)))


@pytest.fixture
def field(database_url: str) -> Iterator[Field]:
    brokers = [Broker.open(database_url) for _ in range(BROKERS)]
    yield Field(*brokers)
    for broker in brokers:
        broker.close()
    assert audit(database_url) == []
