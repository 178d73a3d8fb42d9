"""What the stories of the dashboard are played with: a server, a repository, and real agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from tests.agent.office import Office, git
from tests.agent.test_agent_process import Agents
from tests.server.serving import Running, running

WRONG = "def price(cents):\n    return cents // 100\n"
FIX = "sed -i 's|cents // 100|-(-cents // 100)|' price.py"
TIDY = "sed -i 's|cents|amount|g' price.py"
HEAR = 'until test -n "${heard:-}"; do heard=$(buildd agent messages); done; echo "heard: $heard"'
"""Waits until somebody writes, and says what was heard."""


@dataclass
class House:
    """A server that can be left and come back to, and who works for it."""

    server: Running
    office: Office
    agents: Agents
    place: Path
    held: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def bd(self) -> Client:
        """The administrator, without HTTP."""
        return self.office.owner

    def work(self, script: str, *flags: str, key: str | None = None) -> Any:
        """Start an agent whose program does this; the process."""
        path = self.place / "work.sh"
        path.write_text(f"set -eu\n{script}\n")
        more = {} if key is None else {"BUILDD_API_KEY": key}
        home = str(self.place)
        return self.agents.start(f"sh {path}", *flags, HOME=home, **more)

    def gate(self, name: str = "gate") -> Path:
        """A file for which a program can wait; the test makes it."""
        return self.place / name

    def wait(self, name: str = "gate") -> str:
        """How a program waits for it."""
        return f"until test -e {self.gate(name)}; do sleep 0.05; done"


@contextmanager
def house(place: Path, **server: Any) -> Iterator[House]:
    """A house in local mode, unless an administrator's key is given."""
    settings = {"admin_key": None, **server}
    with ExitStack() as held:
        started = held.enter_context(running(f"sqlite:///{place / 'buildd.db'}", **settings))
        office = employed(started, repository(place), place)
        agents = held.enter_context(Agents(office, started.url, place))
        yield House(started, office, agents, place)


def repository(place: Path) -> Path:
    """A repository in which something is wrong."""
    path = place / "shop"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "price.py").write_text(WRONG)
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message=a price")
    return path


def employed(server: Running, repository: Path, place: Path) -> Office:
    """One workspace, and one account that may work there."""
    embedding = Embedding(server.broker)
    owner = Client(EmbeddedTransport(embedding))
    account = owner.accounts.create(type="user", name="laptop", max_concurrent_workers=10)
    shop = owner.workspaces.create(name="shop", local_path=str(repository))
    owner.accounts.grant(
        account_id=account.id, workspace_id=shop.id, can_claim=True, can_create=True
    )
    return Office(
        broker=server.broker,
        owner=owner,
        account=Client(EmbeddedTransport(embedding, account.api_key)),
        account_id=account.id,
        key=account.api_key,
        workspace_id=shop.id,
        state=place / "state",
    )
