"""Who gets what: routing, order, limits under races, money, and the reason when there is nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from buildd import operations as ops
from buildd.errors import Forbidden, NotClaimable, NotFound
from buildd.models import ReasonCode
from buildd.routing import AccountType, RunnerPreference
from tests.broker.conftest import House


@pytest.mark.parametrize("account", AccountType)
@pytest.mark.parametrize("preference", RunnerPreference)
def test_a_task_goes_only_where_its_preference_says(
    house: House, account: AccountType, preference: RunnerPreference
) -> None:
    house.task(runner_preference=preference)
    claim = house.claim(house.account(account))
    assert bool(claim.workers) == (preference.value in {"any", account.value})


def test_all_required_capabilities_must_be_offered(house: House) -> None:
    house.task(required_capabilities=["gpu", "linux"])
    laptop = house.account()
    assert house.claim(laptop).workers == []
    assert house.claim(laptop, capabilities=["gpu"]).workers == []
    assert house.claim(laptop, capabilities=["linux", "x", "gpu"]).workers


def test_higher_priority_first_then_the_oldest(house: House) -> None:
    wanted = [house.task(priority=p) for p in (0, 5, 5, -1)]
    got = house.claim(house.account(max_concurrent_workers=9), max_tasks=9).workers
    assert [c.task_id for c in got] == [wanted[i].id for i in (1, 2, 0, 3)]


def test_exactly_as_many_as_asked_for(house: House) -> None:
    for _ in range(5):
        house.task()
    assert len(house.claim(house.account(max_concurrent_workers=9), max_tasks=2).workers) == 2


def test_unclaimable_work_at_the_head_hides_nothing(house: House) -> None:
    for _ in range(60):
        house.task(priority=9, runner_preference="action")
        house.task(priority=9, required_capabilities=["moon"])
    good = house.task()
    assert [c.task_id for c in house.claim(house.account()).workers] == [good.id]


def test_nothing_is_claimed_without_a_grant(house: House) -> None:
    stranger = house.account()
    house.admin(
        ops.GrantWorkspace(
            account_id=str(stranger.account_id),
            workspace_id=house.workspace.id,
            can_claim=False,
        )
    )
    task = house.task()
    claim = house.claim(stranger)
    assert claim.workers == []
    assert claim.reason is not None
    assert claim.reason.code is ReasonCode.NO_GRANT
    assert house.see(task).attempt == 0


def test_a_task_before_its_time_waits(house: House) -> None:
    laptop = house.account()
    house.task(not_before="2026-01-01T12:10:00Z")
    assert house.claim(laptop).workers == []
    house.clock.advance(600)
    assert house.claim(laptop).workers


def test_the_limit_of_slots_holds_and_is_told(house: House) -> None:
    for _ in range(5):
        house.task()
    laptop = house.account(max_concurrent_workers=3)
    assert len(house.claim(laptop, max_tasks=5).workers) == 3
    reason = house.claim(laptop).reason
    assert reason is not None
    assert (reason.code, reason.limit, reason.current) == (ReasonCode.NO_SLOT, 3, 3)


def test_sixteen_racers_never_pass_a_limit_of_three(house: House) -> None:
    for _ in range(40):
        house.task()
    laptop = house.account(max_concurrent_workers=3)
    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(lambda _: house.claim(laptop), range(32)))
    taken = [claimed.task_id for claim in claims for claimed in claim.workers]
    assert len(taken) == len(set(taken)) == 3
    assert house.books(laptop).live_workers == 3


def test_sixteen_accounts_never_share_a_task(house: House) -> None:
    for _ in range(24):
        house.task()
    accounts = [house.account(max_concurrent_workers=2) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(lambda a: house.claim(a, max_tasks=2), accounts))
    taken = [claimed.task_id for claim in claims for claimed in claim.workers]
    assert len(taken) == len(set(taken)) == 24


def test_a_workspace_limits_all_accounts_together(house: House) -> None:
    house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_concurrent_workers=2))
    for _ in range(8):
        house.task()
    accounts = [house.account() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda a: house.claim(a, max_tasks=3), accounts))
    assert sum(len(claim.workers) for claim in claims) == 2


def test_reservations_count_against_the_day(house: House) -> None:
    for _ in range(8):
        house.task(max_cost=Decimal(10))
    laptop = house.account(max_concurrent_workers=20, max_cost_per_day=Decimal(50))
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: house.claim(laptop), range(8)))
    assert sum(len(claim.workers) for claim in claims) == 5
    assert house.books(laptop).reserved_today == 50
    [reason] = {claim.reason.code for claim in claims if claim.reason}
    assert reason is ReasonCode.NO_BUDGET


def test_a_task_too_dear_hides_no_cheaper_one(house: House) -> None:
    house.task(priority=9, max_cost=Decimal(60))
    cheap = house.task(max_cost=Decimal(1))
    got = house.claim(house.account(max_cost_per_day=Decimal(50))).workers
    assert [claimed.task_id for claimed in got] == [cheap.id]


def test_what_was_spent_closes_the_day_and_the_next_day_opens(house: House) -> None:
    laptop = house.account(max_cost_per_day=Decimal(5))
    house.task()
    house.task()
    claimed, lease = house.running(laptop)
    house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal("5.25")), lease)
    reason = house.claim(laptop).reason
    assert reason is not None
    assert reason.code is ReasonCode.NO_BUDGET
    house.clock.advance(24 * 3600)
    assert house.claim(laptop).workers


def test_a_named_task_says_why_not(house: House) -> None:
    laptop, other = house.account(), house.account()
    task = house.task()
    [claimed] = house.claim(laptop, task_id=task.id).workers
    assert claimed.task_id == task.id
    reason = house.claim(other, task_id=task.id).reason
    assert reason is not None
    assert reason.code is ReasonCode.NOT_PENDING
    with pytest.raises(NotFound):
        house.claim(other, task_id="task_nobody")


def test_create_worker_claims_a_named_task_or_says_409(house: House) -> None:
    task, laptop = house.task(), house.account()
    asked = ops.CreateWorker(
        workspace_id=house.workspace.id, task_id=task.id, account_id=laptop.account_id
    )
    claimed = house.admin(asked)
    assert claimed.worker.account_id == laptop.account_id
    with pytest.raises(NotClaimable) as refused:
        house.admin(asked)
    assert refused.value.details["reason"]["code"] == "not_pending"


def test_only_accounts_claim(house: House) -> None:
    with pytest.raises(Forbidden):
        house.admin(ops.ClaimTasks())
    house.task()
    _, lease = house.take(house.account())
    with pytest.raises(Forbidden):
        house.broker.execute(ops.ClaimTasks(), lease)


def test_a_slot_that_another_account_frees_wakes_who_waits_for_the_workspace(house: House) -> None:
    house.admin(ops.UpdateWorkspace(id=house.workspace.id, max_concurrent_workers=1))
    house.task()
    second = house.task()
    claimed, lease = house.running(house.account())
    waiting = house.broker.submit(ops.ClaimTasks(wait_seconds=60), house.account())
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    assert [each.task_id for each in waiting.result().workers] == [second.id]
