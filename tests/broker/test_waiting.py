"""Whatever can make a task claimable wakes the claims that wait for one."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future
from decimal import Decimal
from typing import Any

import pytest

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings, Principal
from buildd.models import Claim
from buildd.states import TaskStatus
from buildd.store.sql.events import LAST_SEQ
from tests.broker.conftest import House

Change = Callable[[], object]
Case = Callable[[House, Principal], Change]


def _free_slot(house: House, laptop: Principal) -> Change:
    house.admin(ops.UpdateAccount(id=str(laptop.account_id), max_concurrent_workers=1))
    house.task()
    claimed, lease = house.running(laptop)
    house.task()
    return lambda: house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)


def _more_slots(house: House, _: Principal) -> Change:
    house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_concurrent_workers=1))
    house.task()
    house.claim(house.account())
    house.task()
    return lambda: house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_concurrent_workers=2))


def _more_money(house: House, _: Principal) -> Change:
    house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_cost_per_day=Decimal(1)))
    house.task(max_cost=Decimal(2))
    return lambda: house.admin(
        ops.UpdateWorkspace(id=house.workspace.id, max_cost_per_day=Decimal(2))
    )


def _account_limit(house: House, laptop: Principal) -> Change:
    house.task(max_cost=Decimal(60))
    return lambda: house.admin(
        ops.UpdateAccount(id=str(laptop.account_id), max_cost_per_day=Decimal(60))
    )


def _drained(house: House, laptop: Principal) -> Change:
    mine = str(laptop.account_id)
    house.admin(ops.DrainAccount(id=mine))
    house.task()
    return lambda: house.admin(ops.DrainAccount(id=mine, draining=False))


def _granted(house: House, laptop: Principal) -> Change:
    about = {"account_id": str(laptop.account_id), "workspace_id": house.workspace.id}
    house.admin(ops.RevokeGrant(**about))
    house.task()
    return lambda: house.admin(ops.GrantWorkspace(**about))


def _routed(house: House, _: Principal) -> Change:
    task = house.task(runner_preference="service")
    return lambda: house.admin(ops.UpdateTask(id=task.id, runner_preference="user"))


def _cheaper(house: House, _: Principal) -> Change:
    task = house.task(max_cost=Decimal(60))
    return lambda: house.admin(ops.UpdateTask(id=task.id, max_cost=Decimal(1)))


def _brought_forward(house: House, _: Principal) -> Change:
    task = house.task(not_before="2026-02-01T00:00:00Z")
    return lambda: house.admin(ops.UpdateTask(id=task.id, not_before=None))


def _retried(house: House, _: Principal) -> Change:
    task = house.task()
    house.admin(ops.CancelTask(id=task.id))
    return lambda: house.admin(ops.RetryTask(id=task.id))


def _parent_done(house: House, _: Principal) -> Change:
    parent = house.task()
    claimed, lease = house.running(house.account())
    house.task(depends_on=[parent.id])
    return lambda: house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)


def _later(house: House, seconds: float) -> None:
    house.clock.advance(seconds)
    house.broker.reaper.sweep()


def _scheduled(house: House, _: Principal) -> Change:
    house.admin(
        ops.CreateSchedule(
            workspace_id=house.workspace.id, name="n", cron="@hourly", task={"title": "t"}
        )
    )
    return lambda: _later(house, 3600)


def _come_due(house: House, _: Principal) -> Change:
    house.task(not_before="2026-01-01T13:00:00Z")
    return lambda: _later(house, 3600)


def _next_day(house: House, laptop: Principal) -> Change:
    house.task()
    claimed, lease = house.running(laptop)
    house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(50)), lease)
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    house.task()
    return lambda: _later(house, 12 * 3600)


CASES: list[Case] = [
    _free_slot,
    _more_slots,
    _more_money,
    _account_limit,
    _drained,
    _granted,
    _routed,
    _cheaper,
    _brought_forward,
    _retried,
    _parent_done,
    _scheduled,
    _come_due,
    _next_day,
]


def catch_up(house: House, broker: Broker) -> None:
    """Nothing that happened before wakes anybody any more."""
    broker.reaper.sweep()
    [last] = house.broker._store.read(lambda tx: tx.all(LAST_SEQ)).result()
    while broker.position < last.value:
        pass


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.strip("_"))
def test_a_waiting_claim_is_woken_by_whatever_makes_a_task_claimable(
    house: House, case: Case
) -> None:
    laptop = house.account(max_cost_per_day=Decimal(50))
    change = case(house, laptop)
    catch_up(house, house.broker)
    waiting = house.broker.submit(ops.ClaimTasks(wait_seconds=60), laptop)
    house.broker.health().result()  # the claim has tried by now, and waits
    assert not waiting.done()
    change()
    [claimed] = waiting.result().workers
    assert house.admin(ops.GetTask(id=claimed.task_id)).status is TaskStatus.ASSIGNED


def test_each_server_wakes_its_own_when_a_task_comes_due(house: House, database_url: str) -> None:
    laptop = house.account()
    house.task(not_before="2026-01-01T13:00:00Z")
    other = Broker.open(database_url, BrokerSettings(clock=house.clock))
    catch_up(house, other)
    waiting = other.submit(ops.ClaimTasks(wait_seconds=60), laptop)
    other.health().result()
    house.clock.advance(3600)
    house.broker.reaper.sweep()
    other.reaper.sweep()
    assert waiting.result().workers
    other.close()


def wait(house: House, *accounts: Principal, **fields: Any) -> list[Future[Claim]]:
    """Claims that have tried, in this order, and wait now."""
    catch_up(house, house.broker)
    claims = [
        house.broker.submit(ops.ClaimTasks(wait_seconds=60, **fields), each) for each in accounts
    ]
    house.broker.health().result()
    return claims


def tries(house: House) -> int:
    """How often anything was claimed or not."""
    return house.broker.figures.claim_seconds.spread().number


def test_one_of_many_that_wait_is_woken_for_a_task(house: House) -> None:
    laptop = house.account(max_concurrent_workers=50)
    claims = wait(house, *[laptop] * 20)
    before = tries(house)
    tasks = {house.task().id for _ in range(5)}
    taken = {each.result().workers[0].task_id for each in claims[:5]}
    assert taken == tasks
    # One that was still trying for another task may have been asked to look again.
    assert tries(house) - before < 5 + 5
    assert not any(each.done() for each in claims[5:])


def test_a_task_that_one_cannot_take_is_offered_to_the_next(house: House) -> None:
    full, free = house.account(max_concurrent_workers=1), house.account()
    house.task()
    house.running(full)
    first, second = wait(house, full, free)
    task = house.task()
    assert second.result().workers[0].task_id == task.id
    assert not first.done()


def test_a_task_that_is_gone_again_is_offered_to_nobody_else(house: House) -> None:
    laptop = house.account()
    waiting = wait(house, laptop)
    house.admin(ops.CancelTask(id=house.task(not_before="2027-01-01T00:00:00Z").id))
    task = house.task()
    assert waiting[0].result().workers[0].task_id == task.id
    assert house.broker._waiting._offers == {}


def test_money_that_is_freed_wakes_whom_it_kept_from_a_task(house: House) -> None:
    laptop = house.account(max_cost_per_day=Decimal(10))
    house.task(max_cost=Decimal(8))
    claimed, lease = house.running(laptop)
    house.task(max_cost=Decimal(5))
    [waiting] = wait(house, laptop)
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    assert waiting.result().workers


def test_of_those_who_want_the_same_one_asks_for_all(house: House) -> None:
    laptop = house.account()
    waiting = wait(house, *[laptop] * 20)
    before = tries(house)
    house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_concurrent_workers=7))
    house.task()
    assert wait_for_one(waiting).workers
    # One for the limit and one for the task, and if those two meet, one more.
    assert tries(house) - before <= 3


def test_as_many_follow_as_there_is_work_for(house: House) -> None:
    laptop = house.account(max_concurrent_workers=50)
    house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_concurrent_workers=1))
    house.task()
    house.running(laptop)
    tasks = {house.task().id for _ in range(5)}
    waiting = wait(house, *[laptop] * 8)
    house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_concurrent_workers=6))
    assert {each.result().workers[0].task_id for each in waiting[:5]} == tasks
    assert not any(each.done() for each in waiting[5:])


def test_what_others_tell_of_their_work_wakes_nobody(house: House) -> None:
    laptop = house.account()
    house.task()
    claimed, lease = house.running(laptop)
    waiting = wait(house, laptop, laptop)
    before = tries(house)
    house.broker.execute(ops.Heartbeat(id=claimed.id, progress=50, cost_usd=Decimal(1)), lease)
    house.broker.execute(ops.CreateMessage(worker_id=claimed.id, content="so far"), lease)
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    house.task()
    assert wait_for_one(waiting).workers
    assert tries(house) - before == 1


def wait_for_one(claims: list[Future[Claim]]) -> Claim:
    """The answer of whichever is the first to have one."""
    done, _ = concurrent.futures.wait(claims, return_when=FIRST_COMPLETED)
    return done.pop().result()
