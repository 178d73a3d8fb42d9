"""Reports in batches: each accepted or refused by itself, under its own lease token."""

from __future__ import annotations

from decimal import Decimal

import pytest

from buildd import operations as ops
from buildd.broker import Principal
from buildd.models import Claimed, Reported
from buildd.states import TaskStatus
from tests.broker.conftest import House


def report(verb: str, claimed: Claimed, **fields: object) -> dict[str, object]:
    return {"verb": verb, "id": claimed.id, "token": claimed.lease.token, **fields}


def send(house: House, account: Principal, *reports: dict[str, object]) -> list[Reported]:
    operation = ops.ReportWorkers.model_validate({"reports": reports})
    return house.broker.execute(operation, account)


def test_each_report_stands_by_itself(house: House) -> None:
    tasks = [house.task() for _ in range(4)]
    account = house.account(max_concurrent_workers=9)
    one, two, three, four = house.claim(account, max_tasks=4).workers
    started = send(house, account, *(report("start", each) for each in (one, two, three)))
    assert [each.worker.status for each in started if each.worker] == ["starting"] * 3
    answers = send(
        house,
        account,
        report("heartbeat", one, status="running", costUsd=0.5),
        report("complete", two, result={"ok": True}),
        report("fail", three, error="no", retryable=False),
        report("complete", four),
        report("complete", two, result={"ok": False}),
        {**report("complete", one), "token": two.lease.token},
        {**report("complete", one), "token": "buildd_lease_nonsense"},
    )
    assert answers[0].beat is not None
    codes = [each.error.code if each.error else None for each in answers]
    assert codes == [
        None,
        None,
        None,
        "wrong_state",
        "lease_lost",
        "not_found",
        "not_authenticated",
    ]
    assert [house.see(task).status for task in tasks] == [
        TaskStatus.RUNNING,
        TaskStatus.COMPLETED,
        TaskStatus.FAILED,
        TaskStatus.ASSIGNED,
    ]
    assert house.books(account).spent_today == Decimal("0.5")


def test_a_stale_reports_bill_is_booked_though_it_is_refused(house: House) -> None:
    task, account = house.task(), house.account()
    claimed, _ = house.running(account)
    house.admin(ops.ReleaseTask(id=task.id))
    [answer] = send(house, account, report("heartbeat", claimed, costUsd=2))
    assert answer.error is not None
    assert (answer.error.code, answer.error.reason) == ("lease_lost", "released")
    assert house.books(account).spent_today == 2


def test_another_accounts_token_is_not_known(house: House) -> None:
    house.task()
    claimed, _ = house.running(house.account())
    [answer] = send(house, house.account(), report("complete", claimed))
    assert answer.error is not None
    assert answer.error.code == "not_authenticated"


@pytest.mark.parametrize("verb", ["pause", "", None])
def test_other_verbs_are_refused(verb: str | None) -> None:
    with pytest.raises(ValueError, match="verb"):
        ops.ReportWorkers.model_validate({"reports": [{"verb": verb, "id": "w", "token": "t"}]})
