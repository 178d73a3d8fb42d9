"""A company that works with agents: its repositories, accounts, machines and keys, and a clock to live by."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from unittest import mock
from uuid import UUID

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.lease import LeaseTimes
from buildd.models import Account, Claimed, NewAccount, Pool, Task, Workspace
from buildd.states import LaunchVerb
from buildd.testing import FrozenClock
from tests.broker.conftest import House

NOW = datetime(2026, 11, 20, 14, 32, tzinfo=UTC)
"""When the pictures are taken: always the same Friday, so that only a change of a page changes them."""
DAYS = 29
"""How many days before that one the agents have worked."""
_LEASE = LeaseTimes(3600.0)
"""Long, since the clock leaps."""


class Office:
    """Who works where, with short words for what they do."""

    def __init__(self, broker: Broker, clock: FrozenClock) -> None:
        self.broker = broker
        self.clock = clock
        self.house = House(broker, clock)
        self.bd = Client(EmbeddedTransport(Embedding(broker)))
        self.chance = random.Random(7)
        self.shop = self._shop()
        self.payments = self._workspace("payments", 40)
        self.website = self._workspace("website", None)
        self.mobile = self._workspace("mobile", 15)
        self.mira = self._account("user", "Mira's laptop", max_cost_per_day=Decimal(25))
        self.jon = self._account("user", "Jon's laptop")
        self.night = self._account("service", "night-shift", max_concurrent_workers=8)
        self.actions = self._account("action", "acme/shop", github_id="acme/shop")
        self.key = self.bd.accounts.create_admin_key(name="Mira").api_key

    def _shop(self) -> Workspace:
        return self.bd.workspaces.update(
            id=self.house.workspace.id,
            repo="https://github.com/acme/shop",
            max_cost_per_day=Decimal(60),
            max_concurrent_workers=10,
        )

    def _workspace(self, name: str, budget: int | None) -> Workspace:
        return self.bd.workspaces.create(
            name=name,
            repo=f"https://github.com/acme/{name}",
            max_cost_per_day=None if budget is None else Decimal(budget),
        )

    def _account(self, kind: str, name: str, **limits: object) -> NewAccount:
        made = self.bd.accounts.create(type=kind, name=name, **limits)
        own = {"acme/shop": [self.shop], "Jon's laptop": [self.website, self.mobile]}
        for each in own.get(name, [self.shop, self.payments, self.website, self.mobile]):
            self.bd.accounts.grant(
                account_id=made.id, workspace_id=each.id, can_create=kind == "user"
            )
        return made

    def until(self, moment: datetime) -> None:
        """Let time pass; nothing happens at a full second, but for the pictures."""
        if moment < NOW:
            moment += timedelta(milliseconds=self.chance.randrange(10_000))
        moment = max(moment, self.clock.now())
        self.clock.advance((moment - self.clock.now()).total_seconds())

    def task(self, workspace: Workspace, title: str, **fields: object) -> Task:
        """Somebody puts in a piece of work."""
        return self.bd.tasks.create(workspace_id=workspace.id, title=title, **fields)

    def take(self, task: Task, account: NewAccount, runner: str) -> Attempt:
        """An agent of an account takes it."""
        agent = {"local": "claude-code", "coder": "desk"}.get(runner, runner)
        claim = self.bd.with_key(account.api_key).workers.claim(
            task_id=task.id, runner=runner, agent_id=f"{agent}-{account.id[-4:]}"
        )
        assert claim.workers, claim.reason
        [claimed] = claim.workers
        return Attempt(self, claimed)

    def launched(self, pool: Pool, task: Task, external: str, url: str) -> Attempt:
        """A pool starts an agent for it, which takes it."""
        launch = self.house.launch(pool, task)
        self.house.move(launch, LaunchVerb.ENSURE, external=external, at=url)
        self.house.move(launch, LaunchVerb.RUN, said="its agent is at work")
        claim = ops.ClaimTasks(
            runner=pool.runner, agent_id=external, capabilities=pool.capabilities
        )
        [claimed] = self.broker.execute(claim, self.house.launched(launch)).workers
        return Attempt(self, claimed)

    def looks_for_work(self, account: Account, key: str, runner: str) -> None:
        """An agent asks, and gets nothing."""
        stuck = self.bd.tasks.list(status="pending", text="TestFlight")[0]
        self.bd.with_key(key).workers.claim(
            task_id=stuck.id, max_tasks=2, runner=runner, agent_id=f"{runner}-{account.id[-4:]}"
        )


class Attempt:
    """An agent at work on a task."""

    def __init__(self, office: Office, claimed: Claimed) -> None:
        self.id = claimed.id
        self.task = claimed.task
        self.lease = office.bd.with_key(claimed.lease.token)
        self._turns = 0
        self.lease.workers.start(id=self.id)

    def beat(self, progress: int, cost: float) -> None:
        """Report how far it is, and what it has cost so far."""
        self._turns += 3
        self.lease.workers.heartbeat(
            id=self.id,
            status="running",
            progress=progress,
            cost_usd=Decimal(f"{cost:.4f}"),
            turns=self._turns,
        )

    def say(self, text: str) -> None:
        """Tell what it thinks."""
        self.lease.messages.create(worker_id=self.id, role="assistant", content=text)

    def tool(self, name: str, given: dict[str, str], output: str) -> None:
        """Use a tool."""
        self.lease.messages.create(
            worker_id=self.id,
            role="tool",
            tool_name=name,
            tool_input=given,
            tool_output=output,
            content=next(iter(given.values())),
        )

    def show(self, kind: str, title: str, content: str) -> str:
        """Leave something for people to look at."""
        made = self.lease.artifacts.create(
            worker_id=self.id, type=kind, title=title, content=content
        )
        return made.id

    def done(self, summary: str) -> None:
        """Report success."""
        self.lease.workers.complete(id=self.id, result={"summary": summary})

    def fail(self, error: str, code: str, *, retryable: bool = False) -> None:
        """Report failure."""
        self.lease.workers.fail(id=self.id, error=error, error_code=code, retryable=retryable)


@contextmanager
def opened(url: str) -> Iterator[Office]:
    """An office on a new database, whose clock has yet to live through the month."""
    clock = FrozenClock((NOW - timedelta(days=DAYS)).replace(hour=6))
    numbers = count()

    def uuid7() -> UUID:
        moment = int(clock.now().timestamp() * 1000)
        return UUID(int=moment << 80 | 7 << 76 | 2 << 62 | next(numbers))

    settings = BrokerSettings(clock=clock, lease=_LEASE)
    with mock.patch("uuid_utils.uuid7", uuid7), closing(Broker.open(url, settings)) as broker:
        yield Office(broker, clock)
