"""A server with two tenants: each an account with a workspace of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildd.broker import Broker, BrokerSettings
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.lease import LeaseTimes
from buildd.models import Task, Worker
from buildd_server.settings import Settings
from tests.conftest import serving


@dataclass
class Tenant:
    """An account, and the one workspace that it may work in."""

    account: str
    key: str
    workspace: str


@dataclass
class Town:
    """A server, its owner, and the two who share it."""

    url: str
    broker: Broker
    owner: Client
    ours: Tenant
    theirs: Tenant
    stop: Callable[[], None]

    def task(self, title: str = "Fix it", **fields: object) -> Task:
        return self.owner.tasks.create(workspace_id=self.ours.workspace, title=title, **fields)  # type: ignore[arg-type]

    def read(self, task: Task) -> Task:
        return self.owner.tasks.get(id=task.id)

    def worker(self, task: Task) -> Worker:
        return self.owner.workers.list(task_id=task.id)[0]


TownMaker = Callable[..., Town]


@pytest.fixture
def found(sqlite_url: str) -> Iterator[TownMaker]:
    """Makes a town; its leases live `ttl` seconds, and without an admin key it is in local mode."""
    with ExitStack() as held:

        def make(ttl: float = 60.0, admin_key: str | None = "the administrator's key") -> Town:
            broker = Broker.open(
                sqlite_url, BrokerSettings(lease=LeaseTimes(ttl), admin_key=admin_key)
            )
            held.callback(broker.close)
            stops = held.enter_context(ExitStack())
            url = stops.enter_context(serving(broker, Settings(admin_key=admin_key)))
            owner = Client(EmbeddedTransport(Embedding(broker)))
            tenants = _tenant(owner, "ours"), _tenant(owner, "theirs")
            return Town(url, broker, owner, *tenants, stops.close)

        yield make


@pytest.fixture
def town(found: TownMaker) -> Town:
    """A town whose server asks everybody for a key."""
    return found()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    path = tmp_path / "home"
    path.mkdir()
    return path


def _tenant(owner: Client, name: str) -> Tenant:
    account = owner.accounts.create(type="user", name=name)  # type: ignore[arg-type]
    workspace = owner.workspaces.create(name=name)
    owner.accounts.grant(account_id=account.id, workspace_id=workspace.id, can_create=True)
    return Tenant(account.id, account.api_key, workspace.id)
