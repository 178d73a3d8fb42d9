"""A broker that keeps files, small ones, on both databases; and an attempt that may upload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildd.blobs import DiskBlobs, FileLimits
from buildd.broker import Broker, BrokerSettings
from buildd.broker.sweeping import Sweeper
from buildd.client import Client
from buildd.models import Claimed, NewAccount, Workspace
from buildd.routing import AccountType
from buildd.store import audit

MB = 2**20
LIMITS = FileLimits(file_bytes=2 * MB, worker_bytes=5 * MB, worker_files=100)


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def broker(database_url: str, blobs: Path) -> Iterator[Broker]:
    broker = Broker.open(database_url, BrokerSettings(blobs=blobs, file_limits=LIMITS))
    yield broker
    broker.close()
    assert audit(database_url, blobs) == []
    assert not list(blobs.glob("incoming/*"))


@dataclass
class Crew:
    """A workspace with one attempt."""

    owner: Client
    workspace: Workspace
    account: NewAccount
    claimed: Claimed
    lease: Client

    @property
    def id(self) -> str:
        return self.claimed.id

    @property
    def member(self) -> Client:
        return self.owner.with_key(self.account.api_key)

    def another(self) -> Crew:
        """The same in another workspace, by another account."""
        return crew_of(self.owner)

    def next(self) -> tuple[Claimed, Client]:
        """Another attempt, at another task, by the same account."""
        return claim(self.owner, self.workspace, self.account)


def claim(owner: Client, workspace: Workspace, account: NewAccount) -> tuple[Claimed, Client]:
    task = owner.tasks.create(workspace_id=workspace.id, title="Paint it")
    [claimed] = owner.with_key(account.api_key).workers.claim(task_id=task.id).workers
    lease = owner.with_key(claimed.lease.token)
    lease.workers.start(id=claimed.id)
    return claimed, lease


def crew_of(owner: Client) -> Crew:
    workspace = owner.workspaces.create(name="shop")
    account = owner.accounts.create(type=AccountType.USER, name="Max", max_concurrent_workers=9)
    owner.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    claimed, lease = claim(owner, workspace, account)
    return Crew(owner, workspace, account, claimed, lease)


@pytest.fixture
def crew(bd: Client) -> Crew:
    return crew_of(bd)


def kept(blobs: Path) -> list[Path]:
    """The files that are kept."""
    return sorted(each for each in blobs.glob("??/*") if each.is_file())


def sweep(broker: Broker, blobs: Path) -> None:
    """Do at once what a broker does every minute."""
    disk = DiskBlobs(blobs)
    Sweeper(broker._store, disk).sweep(disk)
