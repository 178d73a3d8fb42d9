"""A real repository, a real broker, and an account that may work there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buildd.broker import Broker, BrokerSettings
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.lease import LeaseTimes
from tests.agent.office import Office, OfficeMaker, git


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


@pytest.fixture
def remote(repository: Path, tmp_path: Path) -> Path:
    """A repository to clone from and push to, with that commit."""
    bare = tmp_path / "shop.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(bare))
    return bare


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
