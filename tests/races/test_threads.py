"""Sixteen to sixty-four threads on one broker: no task twice, no limit passed, nothing left lying."""

from __future__ import annotations

from decimal import Decimal

import pytest

from buildd import operations as ops
from buildd.broker import Principal
from buildd.models import ReasonCode
from buildd.states import TaskStatus
from tests.races import history
from tests.races.conftest import Field, at_once


def work_until_nothing_is_left(field: Field, racer: Principal, **spent: object) -> int:
    done = 0
    while claimed := field.claim(racer, max_tasks=2):
        for each in claimed:
            field.finish(each, **spent)
            done += 1
    return done


def test_no_task_is_taken_twice(field: Field) -> None:
    tasks = field.tasks(100)
    racers = [field.racer(slots=8) for _ in range(32)]
    taken = at_once(32, lambda n: [each.task_id for each in field.claim(racers[n], max_tasks=4)])
    flat = [task for claim in taken for task in claim]
    assert sorted(flat) == sorted(task.id for task in tasks)
    history.read(field.broker, field.limits)


@pytest.mark.parametrize("most", [1, 3])
def test_slots_are_exact(field: Field, most: int) -> None:
    """Never over at any moment, and never under when all have claimed."""
    field.tasks(64)
    racers = [field.racer(slots=3) for _ in range(4)]
    at_once(64, lambda n: field.claim(racers[n % 4], max_tasks=most))
    seen = history.read(field.broker, field.limits)
    assert [seen.live[str(racer.account_id)] for racer in racers] == [3, 3, 3, 3]


def test_a_workspace_and_its_accounts_limit_each_other(field: Field) -> None:
    field.admin(ops.UpdateWorkspace(id=field.workspace.id, max_concurrent_workers=5))
    tasks = field.tasks(48)
    racers = [field.racer(slots=2) for _ in range(16)]
    limits = {**field.limits, field.workspace.id: 5}
    while tasks:
        taken = at_once(16, lambda n: field.claim(racers[n]))
        assert history.read(field.broker, limits).live[field.workspace.id] == min(5, len(tasks))
        for each in [claimed for claim in taken for claimed in claim]:
            tasks = [task for task in tasks if task.id != each.task_id]
            field.finish(each)


def test_slots_stay_exact_while_work_is_done(field: Field) -> None:
    tasks = field.tasks(120)
    racers = [field.racer(slots=2) for _ in range(4)]
    done = at_once(16, lambda n: work_until_nothing_is_left(field, racers[n % 4]))
    while rest := [work_until_nothing_is_left(field, racer) for racer in racers]:
        if not any(rest):
            break
        done += rest
    seen = history.read(field.broker, field.limits)
    assert sum(done) == len(tasks)
    assert set(seen.completions) == {task.id for task in tasks}
    assert all(seen.live[owner] == 0 for owner in field.limits)


def test_a_budget_is_exact(field: Field) -> None:
    """What is set aside never passes the cap, and all of the cap can be set aside."""
    field.tasks(64, max_cost=Decimal(10))
    racers = [field.racer(slots=50, max_cost_per_day=Decimal(20)) for _ in range(16)]
    for cap in (30, 70, 110, 150, 190):
        field.admin(ops.UpdateWorkspace(id=field.workspace.id, max_cost_per_day=Decimal(cap)))
        at_once(16, lambda n: field.claim(racers[n]))
        books = [field.admin(ops.GetAccount(id=str(racer.account_id))) for racer in racers]
        reserved = [account.reserved_today for account in books]
        assert sum(reserved) == cap
        assert max(reserved) <= 20


def test_a_budget_is_exact_while_it_is_spent(field: Field) -> None:
    """Each attempt costs what was set aside for it, so the day ends at its cap to the micro-dollar."""
    field.tasks(60, max_cost=Decimal("3.000001"))
    racer = field.racer(slots=50, max_cost_per_day=Decimal("60.00002"))
    done = at_once(
        16,
        lambda _: work_until_nothing_is_left(field, racer, cost_usd=Decimal("3.000001")),
    )
    books = field.admin(ops.GetAccount(id=str(racer.account_id)))
    assert sum(done) == 20
    assert (books.spent_today, books.reserved_today) == (Decimal("60.00002"), 0)
    assert books.total_cost == Decimal("60.00002")
    reason = field.broker.execute(ops.ClaimTasks(), racer).reason
    assert reason is not None
    assert reason.code is ReasonCode.NO_BUDGET


def test_every_bill_is_booked_once_in_whatever_order_it_comes(field: Field) -> None:
    field.tasks(1)
    racer = field.racer(slots=1, max_cost_per_day=Decimal(500))
    claimed, lease = field.holding(racer)
    totals = [Decimal(n % 17) + Decimal("0.25") for n in range(48)]
    at_once(
        48,
        lambda n: field.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=totals[n]), lease),
    )
    books = field.admin(ops.GetAccount(id=str(racer.account_id)))
    assert books.spent_today == books.total_cost == max(totals)


def test_good_work_is_found_behind_ten_thousand_tasks_for_others(field: Field) -> None:
    field.tasks(10_000, priority=5, runner_preference="action")
    good = field.tasks(16)
    racers = [field.racer(slots=1) for _ in range(16)]
    taken = at_once(16, lambda n: [each.task_id for each in field.claim(racers[n])])
    assert sorted(task for claim in taken for task in claim) == sorted(task.id for task in good)


def test_the_same_report_from_many_threads_is_accepted_once(field: Field) -> None:
    [task] = field.tasks(1)
    claimed, lease = field.holding(field.racer(slots=1))
    report = ops.CompleteWorker(id=claimed.id, result={"ok": True})
    answers = at_once(16, lambda _: field.broker.execute(report, lease))
    assert len({answer.model_dump_json() for answer in answers}) == 1
    assert field.admin(ops.GetTask(id=task.id)).status is TaskStatus.COMPLETED
    assert history.read(field.broker).completions == {task.id: 1}
