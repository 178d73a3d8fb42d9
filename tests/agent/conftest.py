"""A real repository, a real broker, and an account that may work there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildd.broker import Broker, BrokerSettings
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.lease import LeaseTimes
from buildd.models import Artifact, Task, Worker


def git(at: Path, *arguments: str) -> str:
    """What git prints, for a test's own use."""
    done = subprocess.run(
        ["git", *arguments], cwd=at, check=True, capture_output=True, text=True, env=_environment()
    )
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    who = {f"GIT_{w}_{k}": v for w in ("AUTHOR", "COMMITTER") for k, v in _PERSON.items()}
    return {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}


_PERSON = {"NAME": "a person", "EMAIL": "person@example.com"}


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it: no git identity, no settings."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "BUILDD_API_KEY", "BUILDD_SERVER"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout with one commit."""
    path = tmp_path / "shop"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "README.md").write_text("a shop\n")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message=first")
    return path


@dataclass
class Office:
    """A broker with one workspace, and one account that works there."""

    broker: Broker
    owner: Client
    account: Client
    account_id: str
    key: str
    workspace_id: str
    state: Path

    def task(self, title: str = "Fix the login test", **fields: object) -> Task:
        return self.owner.tasks.create(workspace_id=self.workspace_id, title=title, **fields)  # type: ignore[arg-type]

    def read(self, task: Task) -> Task:
        return self.owner.tasks.get(id=task.id)

    def worker(self, task: Task) -> Worker:
        """The last attempt."""
        return self.owner.workers.list(task_id=task.id)[0]

    def said(self, worker: Worker) -> str:
        messages = self.owner.messages.list(worker_id=worker.id, limit=200)
        return "\n".join(message.content or "" for message in reversed(messages))

    def artifacts(self, worker: Worker) -> dict[str, Artifact]:
        listed = self.owner.artifacts.list(worker_id=worker.id)
        return {each.type.value: self.owner.artifacts.get(id=each.id) for each in listed}


OfficeMaker = Callable[..., Office]


@pytest.fixture
def open_office(sqlite_url: str, tmp_path: Path) -> Iterator[OfficeMaker]:
    """Makes an office; its leases live `ttl` seconds."""
    brokers: list[Broker] = []

    def make(ttl: float = 60.0, **workspace: str) -> Office:
        broker = Broker.open(sqlite_url, BrokerSettings(lease=LeaseTimes(ttl)))
        brokers.append(broker)
        embedding = Embedding(broker)
        owner = Client(EmbeddedTransport(embedding))
        account = owner.accounts.create(type="user", name="laptop", max_concurrent_workers=10)  # type: ignore[arg-type]
        place = owner.workspaces.create(name="shop", **workspace)
        owner.accounts.grant(account_id=account.id, workspace_id=place.id)
        return Office(
            broker=broker,
            owner=owner,
            account=Client(EmbeddedTransport(embedding, account.api_key)),
            account_id=account.id,
            key=account.api_key,
            workspace_id=place.id,
            state=tmp_path / "state",
        )

    yield make
    for broker in brokers:
        broker.close()


@pytest.fixture
def office(open_office: OfficeMaker, repository: Path) -> Office:
    """An office whose workspace is a checkout on this machine."""
    return open_office(local_path=str(repository))
