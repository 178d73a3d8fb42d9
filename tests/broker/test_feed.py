"""The feed: every event once and in order for everybody who may see it, however slow or late."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, Principal, Subscription
from buildd.errors import NotAuthenticated
from buildd.events import EventType, Filter
from buildd.states import TaskStatus
from tests.broker.conftest import House

CREATED = Filter(types=frozenset({EventType.TASK_CREATED}))
"""The workspace comes before the tests, and its event may be read after they have begun."""


class Listener:
    """Reads a subscription as a transport does: woken, then drained."""

    def __init__(
        self,
        broker: Broker,
        principal: Principal = ADMIN,
        after: int | None = None,
        wanted: Filter | None = None,
    ) -> None:
        self._woken = threading.Event()
        self.subscription: Subscription = broker.subscribe(
            principal, after, wanted or Filter(), self._woken.set
        ).result()
        self.seen: list[int] = []

    def until(self, last: int) -> list[int]:
        """Everything up to an event that will come."""
        while not self.seen or self.seen[-1] < last:
            self.seen += [notice.event.seq for notice in self.subscription.drain()]
            if not self.seen or self.seen[-1] < last:
                self._woken.wait(5)
                self._woken.clear()
        return self.seen

    def until_refused(self) -> None:
        """Drain until the subscription is ended."""
        while True:
            self.subscription.drain()
            self._woken.wait(5)
            self._woken.clear()


def test_many_writers_leave_no_gap(house: House) -> None:
    live = Listener(house.broker, wanted=CREATED)
    late = Listener(house.broker, after=0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: house.task(), range(200)))
    last = 1 + 200  # the workspace, and the tasks
    assert live.until(last) == list(range(2, last + 1))
    assert late.until(last) == list(range(1, last + 1))


def test_a_listener_that_does_not_drain_loses_nothing(house: House) -> None:
    listener = Listener(house.broker)
    for _ in range(30):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: house.task(), range(50)))
    first = listener.subscription.start + 1
    last = first + 1499
    assert listener.until(last) == list(range(first, last + 1))


def test_events_of_another_process_arrive(house: House) -> None:
    url = house.broker._store.database.url.render_as_string(hide_password=False)
    listener = Listener(house.broker, wanted=CREATED)
    other = Broker.open(url)
    other.execute(ops.CreateTask(workspace_id=house.workspace.id, title="x"), ADMIN)
    other.close()
    assert listener.until(2) == [2]


def test_a_filter_passes_only_what_was_asked_for(house: House) -> None:
    task = house.task()
    house.task()
    wanted = Filter(task_id=task.id, types=frozenset({EventType.TASK_CANCELLED}))
    listener = Listener(house.broker, after=0, wanted=wanted)
    house.admin(ops.CancelTask(id=task.id))
    while not (notices := listener.subscription.drain()):
        pass
    assert [n.event.type for n in notices] == [EventType.TASK_CANCELLED]


def test_an_account_hears_of_its_workspaces_only_and_at_once_of_a_new_one(house: House) -> None:
    account = house.account()
    house.admin(
        ops.RevokeGrant(account_id=str(account.account_id), workspace_id=house.workspace.id)
    )
    listener = Listener(house.broker, account, after=0)
    hidden = house.task()
    start = house.broker.position
    house.admin(
        ops.GrantWorkspace(account_id=str(account.account_id), workspace_id=house.workspace.id)
    )
    while house.broker.position <= start:
        pass
    seen: list[str] = []
    while hidden.id not in seen:
        house.admin(ops.UpdateTask(id=hidden.id, priority=1))
        seen += [n.event.task_id or "" for n in listener.subscription.drain()]


def test_a_revoked_key_ends_the_stream(house: House) -> None:
    made = house.admin(ops.CreateAccount(type="user", name="x"))
    account = house.broker.authenticate(made.api_key).result()
    listener = Listener(house.broker, account)
    house.admin(ops.RevokeKey(account_id=made.id, id=made.key_id))
    with pytest.raises(NotAuthenticated):
        listener.until_refused()
    with pytest.raises(NotAuthenticated):
        house.broker.authenticate(made.api_key).result()


def test_a_key_revoked_while_a_stream_opens_opens_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = house.admin(ops.CreateAccount(type="user", name="x"))
    account = house.broker.authenticate(made.api_key).result()
    feed = house.broker._feed
    join = feed.join

    def revoked_first(*about: Any) -> Subscription:
        house.admin(ops.RevokeKey(account_id=made.id, id=made.key_id))
        return join(*about)

    monkeypatch.setattr(feed, "join", revoked_first)
    with pytest.raises(NotAuthenticated):
        Listener(house.broker, account)
    assert feed.listeners() == []


def test_a_revoked_key_claims_nothing_that_it_waited_for(house: House) -> None:
    account = house.account()
    waiting = house.broker.submit(ops.ClaimTasks(wait_seconds=60), account)
    house.admin(ops.RevokeKey(account_id=str(account.account_id), id=str(account.key_id)))
    task = house.task()
    with pytest.raises(NotAuthenticated):
        waiting.result()
    assert house.see(task).status is TaskStatus.PENDING


def test_a_revoked_admin_key_opens_nothing(house: House) -> None:
    made = house.admin(ops.CreateAdminKey())
    admin = house.broker.authenticate(made.api_key).result()
    listener = Listener(house.broker, admin)
    house.broker.execute(ops.RevokeAdminKey(id=made.id), admin)
    with pytest.raises(NotAuthenticated):
        listener.until_refused()
    with pytest.raises(NotAuthenticated):
        house.broker.authenticate(made.api_key).result()


def test_an_event_of_a_newer_buildd_is_passed_over(house: House) -> None:
    listener = Listener(house.broker)
    engine = sa.create_engine(house.broker._store.database.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE counter SET value = value + 1 WHERE name = 'event_seq'"))
        connection.execute(
            sa.text(
                "INSERT INTO event (seq, type, at, data) SELECT value, 'moon:landed',"
                " '2026-01-01 12:00:00', '{}' FROM counter WHERE name = 'event_seq'"
            )
        )
    engine.dispose()
    house.task()
    assert listener.until(listener.subscription.start + 2) == [listener.subscription.start + 2]


def test_a_long_error_and_a_large_result_stay_out_of_the_feed(house: House) -> None:
    listener = Listener(house.broker)
    house.task()
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.CompleteWorker(id=claimed.id, result={"log": "x" * 10_000}), lease)
    told: list[object] = []
    while not told:
        for notice in listener.subscription.drain():
            assert len(notice.json) < 5_000
            if notice.event.type is EventType.WORKER_COMPLETED:
                told.append(notice.event.data)
    assert told == [{"result": None, "costUsd": 0.0, "turns": 0}]
