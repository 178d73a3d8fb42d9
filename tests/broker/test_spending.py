"""What was spent on which day, of which the clock is moved."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal

from buildd import operations as ops
from buildd.errors import LeaseLost
from buildd.models import Spend
from tests.broker.conftest import House


def spent(house: House, **fields: object) -> list[Spend]:
    return house.admin(ops.ListSpend(**fields))  # type: ignore[arg-type]


def test_a_cost_counts_for_the_day_on_which_it_is_reported(house: House) -> None:
    laptop = house.account()
    task = house.task(max_cost=Decimal(50))
    claimed, lease = house.running(laptop)
    start = house.worker(claimed).created_at.date()
    for total, days in (("1", 0), ("1.5", 1), ("4", 40)):
        house.clock.advance(timedelta(days=days).total_seconds())
        with suppress(LeaseLost):  # the bill is booked all the same
            house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(total)), lease)
    today = start + timedelta(days=41)
    costs = [(start + timedelta(days=1), Decimal("0.5")), (start, Decimal(1))]
    assert [(each.day, each.cost_usd) for each in spent(house)] == [(today, Decimal("2.5"))]
    assert [
        (each.day, each.cost_usd) for each in spent(house, since=start, by=["task", "day"])
    ] == [(today, Decimal("2.5")), *costs]
    assert [(each.day, each.cost_usd) for each in spent(house, until=costs[0][0])] == costs
    assert [each.day for each in spent(house, since=start, until=start)] == [start]
    assert [each.day for each in spent(house, since=today - timedelta(days=29), limit=1)] == [today]
    assert spent(house, since=today + timedelta(days=1)) == spent(house, until=date.min) == []
    assert spent(house, since=start, by=[])[0].cost_usd == house.see(task).cost_usd == 4


def test_what_a_task_cost_stays_when_the_task_is_gone(house: House) -> None:
    laptop = house.account()
    for cost in (1, 2):
        task = house.task()
        claimed, lease = house.running(laptop)
        house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(cost)), lease)
        house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    house.admin(ops.DeleteTask(id=task.id))
    assert [each.cost_usd for each in spent(house, by=["task"])] == [2, 1]
    assert spent(house, by=[])[0].cost_usd == house.books(laptop).total_cost == 3


def test_the_dearest_comes_first_within_a_day(house: House) -> None:
    laptop = house.account(max_concurrent_workers=9)
    costs = [3, 9, 1, 7]
    for cost in costs:
        house.task()
        claimed, lease = house.running(laptop)
        house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(cost)), lease)
    found = spent(house, by=["day", "task"])
    assert [each.cost_usd for each in found] == sorted(costs, reverse=True)
    assert [each.attempts for each in found] == [1] * 4
    [day] = spent(house)
    assert (day.cost_usd, day.attempts, day.account_id) == (20, 4, None)
