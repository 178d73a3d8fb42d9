"""What the stories of the dashboard are played with: a server, a repository, and real agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from buildd.client import Client
from tests.agent.office import Office, git
from tests.agent.test_agent_process import Agents
from tests.server.serving import Running, running
from tests.tenancy.tenants import owner

WRONG = "def price(cents):\n    return cents // 100\n"
FIX = "sed -i 's|cents // 100|-(-cents // 100)|' price.py"
TIDY = "sed -i 's|cents|amount|g' price.py"
HEAR = 'until test -n "${heard:-}"; do heard=$(buildd agent messages); done; echo "heard: $heard"'
"""Waits until somebody writes, and says what was heard."""


@dataclass
class House:
    """A server that can go and come back, and who works for it."""

    place: Path
    settings: dict[str, Any]
    server: Running
    office: Office
    agents: Agents
    up: ExitStack

    @property
    def url(self) -> str:
        return self.agents.address

    @property
    def bd(self) -> Client:
        """The administrator, without HTTP."""
        return owner(self.server)

    def work(self, script: str, *flags: str, key: str = "") -> None:
        """Start an agent whose program does this."""
        path = self.place / "work.sh"
        path.write_text(f"set -eu\n{script}\n")
        who = {"BUILDD_API_KEY": key or self.office.key, "HOME": str(self.place)}
        self.agents.start(f"sh {path}", *flags, **who)

    def gate(self, name: str = "gate") -> Path:
        """A file for which a program can wait; the test makes it."""
        return self.place / name

    def wait(self, name: str = "gate") -> str:
        """How a program waits for it."""
        return f"until test -e {self.gate(name)}; do sleep 0.05; done"

    def leave(self) -> None:
        """Stop the server."""
        self.up.close()

    def come_back(self) -> None:
        """Start it again, where it was."""
        port = urlsplit(self.url).port
        self.server = self.up.enter_context(_server(self.place, port=port, **self.settings))


def _server(place: Path, **settings: Any) -> AbstractContextManager[Running]:
    return running(f"sqlite:///{place / 'buildd.db'}", **settings)


@contextmanager
def house(place: Path, admin_key: str | None = None) -> Iterator[House]:
    """A house in local mode, unless an administrator's key is given."""
    settings = {"admin_key": admin_key}
    with ExitStack() as up:
        server = up.enter_context(_server(place, **settings))
        office = _employed(server, _repository(place), place)
        with Agents(office, server.url, place) as agents:
            yield House(place, settings, server, office, agents, up)


def _repository(place: Path) -> Path:
    """A repository in which something is wrong."""
    path = place / "shop"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "price.py").write_text(WRONG)
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message=a price")
    return path


def _employed(server: Running, repository: Path, place: Path) -> Office:
    """One workspace, and one account that may work there."""
    bd = owner(server)
    account = bd.accounts.create(type="user", name="laptop", max_concurrent_workers=10)
    shop = bd.workspaces.create(name="shop", local_path=str(repository))
    bd.accounts.grant(account_id=account.id, workspace_id=shop.id, can_claim=True, can_create=True)
    return Office(
        broker=server.broker,
        owner=bd,
        account=bd.with_key(account.api_key),
        account_id=account.id,
        key=account.api_key,
        workspace_id=shop.id,
        state=place / "state",
    )
