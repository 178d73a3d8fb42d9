"""The dispatcher as part of an open broker: woken by what happens, asked by people, closed in mid-call."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Means, Pace
from buildd.errors import ConfigError, Forbidden, NotConfigured, NotFound
from buildd.models import Pool
from buildd.testing import FrozenClock
from tests.broker.conftest import House
from tests.dispatch.platform import NAME, Platform, When
from tests.patience import until

_FAR = 3600.0
"""A tick that never comes: whatever happens was caused by an event."""


@contextmanager
def opened(url: str, platform: Platform, pace: Pace) -> Iterator[House]:
    means = Means(platform.make, "http://127.0.0.1:3000")
    clock = FrozenClock()
    broker = Broker.open(url, BrokerSettings(means=means, pace=pace, clock=clock))
    try:
        yield House(broker, clock)
    finally:
        broker.close()


def pool(house: House, **fields: object) -> Pool:
    account = house.account("service")
    given = {"name": "p", "runner": NAME, **fields}
    return house.admin(ops.CreatePool(account_id=str(account.account_id), **given))  # type: ignore[arg-type]


def test_events_are_reason_enough(database_url: str) -> None:
    platform = Platform()
    with opened(database_url, platform, Pace(tick=_FAR)) as house:
        made = pool(house, enabled=False)
        house.task()
        house.admin(ops.UpdatePool(id=made.id, enabled=True))
        until(platform.alive)
        [launch] = house.admin(ops.ListLaunches())
        house.admin(ops.StopLaunch(id=launch.id))
        until(lambda: launch.id not in platform.alive())


def test_two_brokers_at_once_start_one_agent_for_each_task_and_never_too_many(
    database_url: str,
) -> None:
    platform, pace = Platform(), Pace(tick=0.01)
    with opened(database_url, platform, pace) as house:
        owner = str(house.account("service", max_concurrent_workers=7).account_id)
        for name in ("a", "b", "c"):
            house.admin(ops.CreatePool(account_id=owner, name=name, runner=NAME, maximum=3))
        means = Means(platform.make, "http://127.0.0.1:3000")
        settings = BrokerSettings(means=means, pace=pace, clock=house.clock)
        with closing(Broker.open(database_url, settings)):
            for _ in range(12):
                house.task()
            until(lambda: len(platform.alive()) == 7)
            for launch in platform.alive()[:4]:
                house.admin(ops.CancelTask(id=str(platform.machines[launch].order.task_id)))
            until(lambda: len(platform.alive()) == 7 and len(platform.machines) == 11)
        launches = house.admin(ops.ListLaunches(limit=200))
    assert Counter(each.task_id for each in launches).most_common(1)[0][1] == 1
    assert max(Counter(each.pool_id for each in launches if each.ended_at is None).values()) <= 3
    assert platform.count("ensure") == 11


def test_time_is_reason_enough(sqlite_url: str) -> None:
    platform = Platform()
    with opened(sqlite_url, platform, Pace(tick=0.01)) as house:
        pool(house)
        house.task(not_before=house.clock.now().replace(year=2030))
        house.clock.advance(5 * 365 * 86_400)
        until(platform.alive)


def test_people_check_and_reap_pools_through_the_broker(database_url: str) -> None:
    platform = Platform()
    with opened(database_url, platform, Pace(tick=_FAR)) as house:
        made = pool(house)
        assert house.admin(ops.CheckPool(id=made.id)).passed
        platform.broken = ConfigError("no such template")
        assert house.admin(ops.CheckPool(id=made.id)).detail == "no such template"
        assert house.admin(ops.ReapPool(id=made.id, dry_run=True)) == []
        with pytest.raises(NotFound):
            house.admin(ops.CheckPool(id="pool_none"))
        with pytest.raises(Forbidden):
            house.broker.execute(ops.CheckPool(id=made.id), house.account())


def test_a_broker_without_means_starts_nothing_and_says_so(house: House) -> None:
    made = pool(house)
    house.task()
    with pytest.raises(NotConfigured, match="ask a server"):
        house.admin(ops.CheckPool(id=made.id))
    assert house.admin(ops.ListLaunches()) == []


def test_a_broker_that_closes_in_the_middle_of_a_call_leaves_the_launch_to_the_next_one(
    database_url: str,
) -> None:
    platform, reached = Platform(), threading.Event()
    platform.meanwhile = reached.set
    platform.hang("ensure", When.DURING)
    with opened(database_url, platform, Pace(tick=_FAR)) as house:
        pool(house)
        house.task()
        assert reached.wait(60)
    with opened(database_url, platform, Pace(tick=0.01)) as house:

        def started() -> bool:
            [launch] = house.broker.execute(ops.ListLaunches(), ADMIN)
            return launch.external_id is not None

        until(started)
    assert len(platform.machines) == 1
    assert platform.count("ensure") == 2
