"""A large server in one process, and in another one those who keep it busy."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path

from buildd.client import Client, connect
from buildd.models import Role
from buildd.operations.tasks import BatchedTask
from buildd.operations.workers import BatchedSuccess
from buildd.testing.conformance.stage import Stage
from tests.server.serving import running
from tests.tenancy.tenants import owner

SPAWN = multiprocessing.get_context("spawn")
BATCH = 50
A_DAY = 86_400.0
LINE = "\x1b[32mPASS\x1b[0m tests/shop/test_cart.py::test_the_price_is_rounded[{}]"


@dataclass(frozen=True)
class Large:
    """A server that has much, and the attempts that go on there."""

    url: str
    task: str
    """The one that has written a lot."""
    worker: str
    leases: dict[str, str]
    """Tokens of further attempts, by their workers."""


@contextmanager
def large(place: Path, tasks: int, lines: int) -> Iterator[Large]:
    """Serve so many tasks, and one attempt that has written so many lines."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(theirs, place, tasks, lines))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def _serve(told: Connection, place: Path, tasks: int, lines: int) -> None:
    database = f"sqlite:///{place / 'buildd.db'}"
    with running(database, admin_key=None, lease_ttl=A_DAY) as server:
        stage = Stage(owner(server))
        most = {"max_concurrent_workers": tasks + 1, "max_cost_per_day": Decimal(1_000_000)}
        stage.bd.accounts.update(id=stage.account.id, **most)
        claimed, lease = stage.running()
        _written(lease, claimed.id, lines)
        leases = _filled(stage, tasks - 1) | {claimed.id: claimed.lease.token}
        told.send(Large(server.url, claimed.task_id, claimed.id, leases))
        told.recv()


def _written(lease: Client, worker: str, lines: int) -> None:
    for start in range(0, lines, 1000):
        text = "\n".join(LINE.format(each) for each in range(start, min(lines, start + 1000)))
        lease.messages.create(worker_id=worker, role=Role.ASSISTANT, content=text)


def _filled(stage: Stage, tasks: int) -> dict[str, str]:
    """A third waits, a tenth is worked on, and what is left is done."""
    for start in range(0, tasks, 500):
        stage.bd.tasks.create_many(
            tasks=[
                BatchedTask(
                    workspace_id=stage.workspace.id, title=f"Round the price of cart {each}"
                )
                for each in range(start, min(tasks, start + 500))
            ]
        )
    leases: dict[str, str] = {}
    while len(leases) < 2 * tasks // 3:
        for claimed in stage.agent.workers.claim(max_tasks=min(BATCH, tasks)).workers:
            leases[claimed.id] = claimed.lease.token
    over = list(leases)[tasks // 10 :]
    for start in range(0, len(over), BATCH):
        some = over[start : start + BATCH]
        for each in some:
            stage.bd.with_key(leases[each]).workers.start(id=each)
        reports = [
            BatchedSuccess(verb="complete", id=each, token=leases.pop(each)) for each in some
        ]
        stage.agent.workers.report(reports=reports)
    for each, token in leases.items():
        stage.bd.with_key(token).workers.start(id=each)
    return leases


@contextmanager
def busy(at: Large, rate: int) -> Iterator[Callable[[], float]]:
    """Have so many things happen there in a second; what is given tells how many really did."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_bustle, args=(theirs, at, rate))
    process.start()
    began = ours.recv()

    def real() -> float:
        ours.send("how many")
        done: int = ours.recv()
        return float(done / (time.time() - began))

    try:
        yield real
    finally:
        ours.send(None)
        process.join()


def _bustle(told: Connection, at: Large, rate: int) -> None:
    with connect(at.url) as bd:
        happening = _Happening(bd, at)
        began, done = time.time(), 0
        told.send(began)
        while True:
            while told.poll(max(0.0, began + done / rate - time.time())):
                if told.recv() is None:
                    return
                told.send(done)
            happening(done)
            done += 1


class _Happening:
    """Mostly agents write and spend, now and then a task comes or is changed."""

    def __init__(self, bd: Client, at: Large) -> None:
        self._bd, self._wrote = bd, at.worker
        self._writer = bd.with_key(at.leases[at.worker])
        self._agents = cycle([(each, bd.with_key(token)) for each, token in at.leases.items()])
        self._workspace = bd.workspaces.list()[0].id

    def __call__(self, number: int) -> None:
        worker, agent = next(self._agents)
        kind = number % 10
        if kind < 4:
            cost, share = Decimal(number) / 10_000, number % 100
            agent.workers.heartbeat(id=worker, status="running", progress=share, cost_usd=cost)
        elif kind < 6:
            lines = "\n".join(LINE.format(f"now {number}.{each}") for each in range(5))
            self._writer.messages.create(worker_id=self._wrote, role=Role.ASSISTANT, content=lines)
        elif kind == 6:
            self._bd.tasks.create(workspace_id=self._workspace, title=f"Something new {number}")
        elif kind == 7:
            [newest] = self._bd.tasks.list(limit=1)
            self._bd.tasks.update(id=newest.id, priority=number % 9)
        else:
            text = f"Step {number}"
            agent.messages.create(worker_id=worker, role=Role.ASSISTANT, content=text)
