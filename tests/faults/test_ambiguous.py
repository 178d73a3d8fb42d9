"""One call in twenty is ambiguous, in the store or on the network: nothing happens twice, nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

import pytest
import sqlalchemy as sa

from buildd import Client
from buildd.broker import Broker, BrokerSettings
from buildd.client import connect
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.errors import AlreadyExists, Conflict, OutcomeUnknown, Unavailable
from buildd.models import Claimed
from buildd.states import CLOSED, TaskStatus
from buildd.store import Statement, Store
from buildd.store.tables import setting
from buildd.testing import FrozenClock
from tests.conformance import test_story as story
from tests.conftest import serving
from tests.faults.ambiguous import FaultyTransport, NetworkFaults, StoreFaults
from tests.faults.books import wrongs
from tests.faults.seam import Step, faulty

R = TypeVar("R")

INSERT_SETTING = Statement(sa.insert(setting))

TASKS = 60
STORIES = [value for name, value in vars(story).items() if name.startswith("test_")]


def is_postgres(url: str) -> bool:
    return url.startswith("postgres")


@pytest.mark.parametrize("tell", STORIES, ids=lambda story: story.__name__)
def test_the_stories_do_not_notice_lost_connections(
    tell: Callable[[Client], None], database_url: str
) -> None:
    """A transaction that fails before its COMMIT is done again, and nobody hears of it."""
    faults = StoreFaults(7, postgres=is_postgres(database_url), at_commit=False)
    broker = Broker(faulty(database_url, faults), BrokerSettings())
    with Client(EmbeddedTransport(Embedding(broker), owns=True)) as client:
        while faults.struck.total() < 6:
            tell(client)
    assert wrongs(database_url) == []


class Town:
    """Tasks that must each be done once, by callers who repeat themselves and look before they do."""

    def __init__(self, owner: Client, broker: Broker, clock: FrozenClock) -> None:
        self.owner = owner
        self.broker = broker
        self.clock = clock
        self.done: dict[str, str] = {}

    def live(self) -> None:
        workspace = insist(lambda: self.owner.workspaces.create(name="shop"))
        made = insist(
            lambda: self.owner.accounts.create(
                type="user", name="a", max_concurrent_workers=1000, max_cost_per_day=1000
            )
        )
        insist(lambda: self.owner.accounts.grant(account_id=made.id, workspace_id=workspace.id))
        for number in range(TASKS):
            self._create(workspace.id, f"task {number}")
        agent = self.owner.with_key(made.api_key)
        while self._open():
            for claimed in insist(agent.workers.claim).workers:
                with suppress(Conflict):
                    self._work(agent, claimed)
            self._pass_time()

    def _create(self, workspace: str, title: str) -> None:
        insist(
            lambda: self.owner.tasks.create(
                workspace_id=workspace,
                title=title,
                idempotency_key=title,
                max_attempts=1000,
                max_cost=1,
            )
        )

    def _work(self, agent: Client, claimed: Claimed) -> None:
        lease = agent.with_key(claimed.lease.token)
        with suppress(Conflict):  # it may have happened already
            insist(lambda: lease.workers.start(id=claimed.id))
        for cost in (0.1, 0.2):
            insist(partial(lease.workers.heartbeat, id=claimed.id, cost_usd=cost))
        result = {"worker": claimed.id}
        insist(lambda: lease.workers.complete(id=claimed.id, result=result))
        assert claimed.task_id not in self.done
        self.done[claimed.task_id] = claimed.id

    def _pass_time(self) -> None:
        """Leases whose claims were never heard of run out."""
        self.clock.advance(self.broker.settings.lease.heartbeat)
        with suppress(Unavailable):
            self.broker.reaper.sweep()

    def _open(self) -> bool:
        return any(
            insist(partial(self.owner.tasks.list, status=status, limit=1))
            for status in TaskStatus
            if status not in CLOSED
        )


def insist(ask: Callable[[], R]) -> R:
    """Ask until the answer is known: that is always allowed for what is idempotent or harmless."""
    while True:
        with suppress(Unavailable):
            return ask()


def check(town: Town, truth: Client, url: str) -> None:
    tasks = truth.tasks.list(limit=200)
    assert sorted(task.title for task in tasks) == sorted(f"task {n}" for n in range(TASKS))
    assert {task.status for task in tasks} == {TaskStatus.COMPLETED}
    for task in tasks:
        assert task.result == {"worker": town.done[task.id]}
    assert wrongs(url) == []


def test_a_store_that_loses_commits_does_everything_once(database_url: str) -> None:
    faults = StoreFaults(3, postgres=is_postgres(database_url), at_commit=True)
    clock = FrozenClock()
    broker = Broker(faulty(database_url, faults), BrokerSettings(clock=clock))
    with Client(EmbeddedTransport(Embedding(broker), owns=True)) as owner:
        town = Town(owner, broker, clock)
        town.live()
        check(town, owner, database_url)
    assert faults.struck["COMMIT done"] > 2
    assert faults.struck["COMMIT not done"] > 2


@contextmanager
def over_http(database_url: str, clock: FrozenClock) -> Iterator[tuple[Broker, Client]]:
    broker = Broker.open(database_url, BrokerSettings(clock=clock))
    try:
        with serving(broker) as address, connect(address) as client:
            yield broker, client
    finally:
        broker.close()


def test_a_network_that_loses_and_doubles_does_everything_once(database_url: str) -> None:
    faults, clock = NetworkFaults(5), FrozenClock()
    with over_http(database_url, clock) as (broker, client):
        town = Town(Client(FaultyTransport(client.transport, faults)), broker, clock)
        town.live()
        check(town, client, database_url)
    assert min(faults.struck[kind] for kind in ("request lost", "answer lost", "sent twice")) > 2


def put(store: Store, name: str) -> None:
    store.write(lambda tx: tx.run(INSERT_SETTING, name=name, value="v")).result()


@pytest.mark.parametrize("fate", ["done", "not done"])
def test_a_commit_of_unknown_fate_is_told_as_such(database_url: str, fate: str) -> None:
    """Never a guess: neither "it happened" nor "it did not"."""
    faults = StoreFaults(1, postgres=is_postgres(database_url), at_commit=True)
    armed = True

    def strike(text: str, step: Step) -> object:
        nonlocal armed
        if text != "COMMIT" or not armed:
            return step()
        armed = False
        if fate == "done":
            step()
        raise faults.lost()

    store = Store(faulty(database_url, strike), None)
    with pytest.raises(OutcomeUnknown):
        put(store, "k")
    if fate == "done":
        with pytest.raises(AlreadyExists):
            put(store, "k")
    else:
        put(store, "k")
    store.close()


def test_a_full_disk_at_the_commit_is_a_plain_no(sqlite_url: str) -> None:
    """SQLite has rolled back then, and says so: nothing is unknown."""

    def strike(text: str, step: Step) -> object:
        if text == "COMMIT":
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        return step()

    store = Store(faulty(sqlite_url, strike), None)
    with pytest.raises(Unavailable, match="disk is full") as refused:
        put(store, "k")
    assert not isinstance(refused.value, OutcomeUnknown)
    store.close()
