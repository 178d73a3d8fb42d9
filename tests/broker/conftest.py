"""A broker on a fresh database of either kind, with a clock that the test moves, and short words for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Principal
from buildd.broker.launches import launch_of, move_launch, request_launch
from buildd.broker.tokens import mint_for_launch
from buildd.models import Account, Claim, Claimed, Launch, Pool, Task, Worker, Workspace
from buildd.operations import Operation
from buildd.states import LaunchVerb
from buildd.store import Transaction, audit
from buildd.store.sql.pools import POOL
from buildd.store.sql.tasks import TASK_SEEN
from buildd.testing import FrozenClock

R = TypeVar("R")


class House:
    """An installation with one workspace, driven directly."""

    def __init__(self, broker: Broker, clock: FrozenClock) -> None:
        self.broker = broker
        self.clock = clock
        self.workspace: Workspace = self.admin(ops.CreateWorkspace(name="shop"))

    def admin(self, operation: Operation[R]) -> R:
        return self.broker.execute(operation, ADMIN)

    def account(self, type: str = "user", **limits: Any) -> Principal:  # noqa: A002
        made = self.admin(ops.CreateAccount(type=type, name=f"a {type}", **limits))
        self.admin(
            ops.GrantWorkspace(account_id=made.id, workspace_id=self.workspace.id, can_create=True)
        )
        return self.broker.authenticate(made.api_key).result()

    def task(self, title: str = "work", **fields: Any) -> Task:
        return self.admin(ops.CreateTask(workspace_id=self.workspace.id, title=title, **fields))

    def claim(self, account: Principal, **fields: Any) -> Claim:
        return self.broker.execute(ops.ClaimTasks(**fields), account)

    def take(self, account: Principal, **fields: Any) -> tuple[Claimed, Principal]:
        [claimed] = self.claim(account, **fields).workers
        return claimed, self.broker.authenticate(claimed.lease.token).result()

    def running(self, account: Principal, **fields: Any) -> tuple[Claimed, Principal]:
        claimed, lease = self.take(account, **fields)
        self.broker.execute(ops.StartWorker(id=claimed.id), lease)
        self.broker.execute(ops.Heartbeat(id=claimed.id, status="running"), lease)
        return claimed, lease

    def pool(self, account: Principal, **fields: Any) -> Pool:
        given = {"name": "laptops", "runner": "local", **fields}
        return self.admin(ops.CreatePool(account_id=str(account.account_id), **given))

    def launch(self, pool: Pool, task: Task | None = None) -> Launch:
        """A launch as a dispatcher writes it down, before its runner is called."""

        def make(tx: Transaction) -> str:
            context = self.broker._context(tx, ADMIN)
            wanted = None if task is None else tx.first(TASK_SEEN, id=task.id, viewer=None)
            return str(request_launch(context, tx.first(POOL, id=pool.id), wanted).id)

        launch_id = self.broker._store.write(make).result()
        return self.admin(ops.GetLaunch(id=launch_id))

    def token(self, launch: Launch) -> str:
        """What the agent of a launch is given to come in with."""

        def mint(tx: Transaction) -> str:
            return mint_for_launch(self.broker._context(tx, ADMIN), launch)

        return self.broker._store.write(mint).result()

    def launched(self, launch: Launch) -> Principal:
        return self.broker.authenticate(self.token(launch)).result()

    def move(self, launch: Launch, verb: LaunchVerb, **step: Any) -> bool:
        """Whether a launch takes a step."""

        def step_of(tx: Transaction) -> bool:
            context = self.broker._context(tx, ADMIN)
            return move_launch(context, launch_of(context, launch.id), verb, **step) is not None

        return self.broker._store.write(step_of).result()

    def see(self, task: Task) -> Task:
        return self.admin(ops.GetTask(id=task.id))

    def worker(self, claimed: Claimed) -> Worker:
        return self.admin(ops.GetWorker(id=claimed.id))

    def books(self, account: Principal) -> Account:
        return self.admin(ops.GetAccount(id=str(account.account_id)))


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    clock = FrozenClock()
    broker = Broker.open(database_url, BrokerSettings(clock=clock))
    yield House(broker, clock)
    broker.close()
    assert audit(database_url) == []
