"""Listeners that share a channel: each hears what it would hear alone, however they drain, come and go."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
import sqlalchemy as sa

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Subscription
from buildd.broker import channel as channels
from buildd.broker.channel import Notice
from buildd.events import EventType, Filter
from buildd.testing import FrozenClock
from tests.broker.conftest import House
from tests.broker.hearing import heard_up_to, moved_on, rights, shrink
from tests.broker.test_feed import CREATED, Listener

ENDED = Filter(types=frozenset({EventType.TASK_CANCELLED}))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def test_those_who_want_and_see_the_same_share_a_channel(house: House) -> None:
    mine, other = house.account(), house.account()
    who = (mine, mine, other, ADMIN, ADMIN)
    *listeners, picky = [
        *(house.broker.subscribe(each, None, CREATED, lambda: None).result() for each in who),
        house.broker.subscribe(mine, None, ENDED, lambda: None).result(),
    ]
    feed = house.broker._feed
    assert len({each.channel for each in listeners}) == 3
    assert listeners[0].channel is listeners[1].channel is not picky.channel
    assert set(feed._channels) == {each.terms for each in (*listeners, picky)}
    for each in (*listeners, picky):
        each.close()
        each.close()
    assert feed._channels == {}


def test_the_same_wish_with_other_rights_hears_something_else(house: House) -> None:
    hidden = house.admin(ops.CreateWorkspace(name="hidden"))
    insider, outsider = house.account(), house.account()
    rights(house, insider, hidden.id, granted=True)
    heard = [Listener(house.broker, each, wanted=CREATED) for each in (insider, outsider, ADMIN)]
    house.admin(ops.CreateTask(workspace_id=hidden.id, title="secret"))
    last = moved_on(house)
    assert [each.until(last) for each in heard] == [[last - 1, last], [last], [last - 1, last]]


def test_a_grant_moves_those_who_have_it(house: House) -> None:
    new = house.admin(ops.CreateWorkspace(name="new"))
    account, other = house.account(), house.account()
    heard = [Listener(house.broker, each, wanted=CREATED) for each in (account, account, other)]

    def created() -> int:
        house.admin(ops.CreateTask(workspace_id=new.id, title="x"))
        return moved_on(house)

    before = created()
    assert heard[0].until(before) == [before]
    rights(house, account, new.id, granted=True)
    granted = created()
    assert heard[0].until(granted) == [before, granted - 1, granted]
    rights(house, account, new.id, granted=False)
    revoked = created()
    assert heard[0].until(revoked) == [before, granted - 1, granted, revoked]
    # The second has drained nothing yet, and may see by now what it could see at first.
    assert heard[1].until(revoked) == [before, granted, revoked]
    assert heard[2].until(revoked) == [before, granted, revoked]


def test_who_waits_is_roused_by_what_a_new_grant_lets_it_see(house: House) -> None:
    new = house.admin(ops.CreateWorkspace(name="new"))
    account = house.account()
    listener = Listener(house.broker, account, wanted=CREATED)
    assert listener.subscription.drain() == []
    rights(house, account, new.id, granted=True)
    house.admin(ops.CreateTask(workspace_id=new.id, title="x"))
    assert listener._woken.wait(60)


@pytest.mark.usefixtures("small")
def test_one_that_falls_behind_holds_nobody_up_and_loses_nothing(house: House) -> None:
    quick, slow, late = (Listener(house.broker, wanted=CREATED) for _ in range(3))
    first = moved_on(house)
    late.until(first)
    for _ in range(60):
        last = moved_on(house)
        quick.until(last)
    wanted = list(range(first, last + 1))
    assert quick.seen == wanted
    assert len(slow.subscription.channel._kept) <= 2 * channels.KEEP
    assert slow.until(last) == wanted
    assert late.until(last) == wanted


@pytest.mark.usefixtures("small")
def test_who_waits_for_something_rare_reads_nothing_of_the_rest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = Listener(house.broker, wanted=ENDED)
    rare.subscription.drain()
    task = house.task()
    moved_on(house, 60)
    asked: list[int] = []
    page = house.broker._feed.page

    def counted(after: int) -> Future[list[Notice]]:
        asked.append(after)
        return page(after)

    monkeypatch.setattr(house.broker._feed, "page", counted)
    house.admin(ops.CancelTask(id=task.id))
    last = moved_on(house)
    assert len(heard_up_to(rare.subscription, last)) == 1
    assert rare.subscription.start not in asked


def test_a_reader_that_comes_back_soon_is_served_from_memory(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    staying = Listener(house.broker, wanted=CREATED)
    first = moved_on(house, 3)
    monkeypatch.setattr(Subscription, "_paged", lambda *_: pytest.fail("it has asked the database"))
    back = Listener(house.broker, wanted=CREATED, after=first - 1)
    assert back._woken.is_set()
    assert back.until(first) == [first]
    assert staying.until(first)[-1] == first


def test_numbers_of_events_that_are_not_known_are_not_read_again_and_again(
    house: House, database_url: str
) -> None:
    engine = sa.create_engine(house.broker._store.database.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE counter SET value = value + 9 WHERE name = 'event_seq'"))
    engine.dispose()
    newer = Broker.open(database_url, BrokerSettings(clock=FrozenClock()))
    listener = newer.subscribe(ADMIN, 0, ENDED, lambda: None).result()
    while listener not in listener.channel._waiting:
        pass
    newer.close()


def test_an_account_is_told_too_that_it_has_missed_something(house: House) -> None:
    account = house.account()
    last = moved_on(house, 3)
    engine = sa.create_engine(house.broker._store.database.url)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM event WHERE seq < :last"), {"last": last})
    engine.dispose()
    listener = house.broker.subscribe(account, 1, CREATED, lambda: None).result()
    told = listener.drain()
    while len(told) < 2:
        told += listener.drain()
    assert [(each.event.type, each.event.seq) for each in told] == [
        (EventType.RESET, last - 1),
        (EventType.TASK_CREATED, last),
    ]
