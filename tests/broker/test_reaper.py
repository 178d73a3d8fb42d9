"""Agents that die: their tasks come back to everybody, once, and not because a server was away."""

from __future__ import annotations

import threading
from contextlib import closing
from decimal import Decimal

import pytest
import sqlalchemy as sa

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings
from buildd.broker.housekeeping import Housekeeper
from buildd.broker.sweeping import Sweeper
from buildd.errors import LeaseLost, Unavailable
from buildd.states import TaskStatus, WorkerStatus
from buildd.store import Statement, tables
from buildd.testing import FrozenClock
from tests.broker.conftest import House

PATIENCE = 30
"""Seconds; nobody waits that long unless something is wrong."""


def pass_time(house: House, seconds: float) -> int:
    """Let time pass under a living server: the reaper looks every few seconds."""
    ended = 0
    step = house.broker.settings.lease.reap
    while seconds > 0:
        house.clock.advance(min(step, seconds))
        ended += house.broker.reaper.sweep()
        seconds -= step
    return ended


def test_a_dead_agents_task_goes_to_another_account(house: House) -> None:
    task, dead, alive = house.task(), house.account(), house.account("service")
    claimed, lease = house.running(dead)
    assert pass_time(house, 55) == 0
    assert pass_time(house, 10) == 1
    assert house.see(task).status is TaskStatus.PENDING
    assert house.worker(claimed).error_code == "lease_lost"
    assert house.books(dead).live_workers == 0
    again, _ = house.running(alive)
    assert again.task_id == task.id
    assert again.lease.epoch > claimed.lease.epoch
    with pytest.raises(LeaseLost) as lost:
        house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    assert lost.value.details["reason"] == "lease_lost"
    house.broker.execute(
        ops.Heartbeat(id=again.id), house.broker.authenticate(again.lease.token).result()
    )


def test_files_that_are_far_away_keep_nobody_from_looking_after_leases(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = threading.Event(), threading.Event()

    def waits_for_a_bucket(_: Sweeper) -> None:
        asked.set()
        answers.wait(PATIENCE)

    monkeypatch.setattr(Sweeper, "tidy", waits_for_a_bucket)
    clock = FrozenClock()
    with closing(Broker.open(sqlite_url, BrokerSettings(clock=clock))) as broker:
        house = House(broker, clock)
        house.task()
        claimed, _ = house.running(house.account())
        assert asked.wait(PATIENCE)
        assert pass_time(house, 65) == 1
        assert house.worker(claimed).error_code == "lease_lost"
        assert not answers.is_set()
        answers.set()


def test_what_goes_wrong_in_the_house_is_said_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = threading.Event()
    troubles = iter([Unavailable("the bucket is away")])

    def fails_once() -> None:
        for trouble in troubles:
            raise trouble
        done.set()

    housekeeper = Housekeeper(0.01, fails_once)
    with caplog.at_level("WARNING", "buildd.housekeeping"), closing(housekeeper):
        housekeeper.start()
        assert done.wait(PATIENCE)
    assert "the bucket is away" in caplog.text


def test_one_that_cannot_be_ended_keeps_no_other_from_it(house: House) -> None:
    house.task(), house.task()
    spoilt, sound = house.account(), house.account()
    first, second = house.running(spoilt)[0], house.running(sound)[0]

    def count(live: int) -> None:
        of = tables.account.c.id == spoilt.account_id
        change = Statement(sa.update(tables.account).where(of).values(live_workers=live))
        house.broker._store.write(lambda tx: tx.run(change)).result()

    count(0)  # so that freeing its slot is refused
    assert pass_time(house, 65) == 1
    assert house.worker(first).status is WorkerStatus.RUNNING
    assert house.worker(second).status is WorkerStatus.ERROR
    count(1)
    assert house.broker.reaper.sweep() == 1


def test_a_stale_agents_bill_is_booked(house: House) -> None:
    house.task(max_cost=Decimal(9))
    dead = house.account()
    claimed, lease = house.running(dead)
    pass_time(house, 70)
    with pytest.raises(LeaseLost):
        house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal("1.5")), lease)
    books = house.books(dead)
    assert (books.spent_today, books.reserved_today) == (Decimal("1.5"), 0)


def test_an_expired_lease_that_nobody_reaped_is_renewed(house: House) -> None:
    house.task()
    claimed, lease = house.running(house.account())
    house.clock.advance(300)
    house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
    assert house.broker.reaper.sweep() == 0


def test_after_an_outage_living_agents_get_one_more_lease(house: House) -> None:
    task = house.task()
    house.running(house.account())
    house.broker.reaper.sweep()
    house.clock.advance(600)
    assert house.broker.reaper.sweep() == 0
    assert house.see(task).status is TaskStatus.RUNNING
    assert pass_time(house, 70) == 1
    assert house.see(task).status is TaskStatus.PENDING


def test_a_task_that_kills_its_agents_stops(house: House) -> None:
    task, laptop = house.task(max_attempts=3), house.account()
    for _ in range(3):
        house.running(laptop)
        pass_time(house, 70)
    over = house.see(task)
    assert (over.status, over.attempt) == (TaskStatus.FAILED, 3)
    assert "no attempt left of 3" in (over.error or "")
    assert house.claim(laptop).workers == []


def test_a_pause_nobody_confirms_is_made_by_the_server(house: House) -> None:
    task = house.task()
    claimed, lease = house.running(house.account())
    house.admin(ops.PauseWorker(id=claimed.id))
    for _ in range(4):
        pass_time(house, 20)
        if house.worker(claimed).status is WorkerStatus.RUNNING:
            house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
    assert house.worker(claimed).status is WorkerStatus.PAUSED
    assert house.see(task).status is TaskStatus.ASSIGNED


def test_waiting_for_a_person_is_not_being_dead(house: House) -> None:
    house.task()
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.AskWorker(id=claimed.id, type="question", prompt="?"), lease)
    for _ in range(50):
        pass_time(house, 20)
        house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
    assert house.worker(claimed).status is WorkerStatus.WAITING_INPUT
