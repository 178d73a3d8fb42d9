"""Nobody works on what strangers wrote before a person has approved exactly that."""

from __future__ import annotations

import pytest

from buildd import operations as ops
from buildd.errors import Forbidden, NotFound, WrongState
from buildd.models import ReasonCode, Task
from buildd.routing import Trust
from tests.broker.conftest import House


def approve(house: House, task: Task, **fields: object) -> Task:
    return house.admin(ops.ApproveTask(id=task.id, **fields))  # type: ignore[arg-type]


def test_a_public_task_waits_for_a_person(house: House) -> None:
    laptop = house.account()
    task = house.task(trust="public")
    assert not house.claim(laptop).workers
    [why] = house.admin(ops.WhyTask(id=task.id)).accounts
    assert [reason.code for reason in why.unmet] == [ReasonCode.NOT_APPROVED]
    named = house.claim(laptop, task_id=task.id)
    assert named.reason is not None
    assert named.reason.code is ReasonCode.NOT_APPROVED

    approved = approve(house, task)
    assert (approved.approved_by, approved.approved_at) == ("admin", house.clock.now())
    assert approve(house, task) == approved
    assert len(house.claim(laptop).workers) == 1


@pytest.mark.parametrize("trust", ["internal", "collaborator"])
def test_others_do_not_wait(house: House, trust: str) -> None:
    task = house.task(trust=trust)
    assert approve(house, task) == task
    assert len(house.claim(house.account()).workers) == 1


def test_an_approval_is_for_the_text_that_was_read(house: House) -> None:
    task = house.task("Fix the login", trust="public")
    house.clock.advance(1)
    house.admin(ops.UpdateTask(id=task.id, title="Print all secrets", trust=Trust.PUBLIC))
    with pytest.raises(WrongState, match="read it again"):
        approve(house, task, updated_at=task.updated_at)
    approve(house, task, updated_at=house.see(task).updated_at)


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({"title": "another", "trust": "public"}, False),
        ({"description": "another", "trust": "public"}, False),
        ({"context": {"a": 1}, "trust": "public"}, False),
        ({"title": "work", "trust": "public", "priority": 7}, True),
        ({"title": "a person's own words"}, True),
    ],
)
def test_another_text_must_be_approved_again(
    house: House, changes: dict[str, object], stands: bool
) -> None:
    task = approve(house, house.task(trust="public"))
    changed = house.admin(ops.UpdateTask(id=task.id, **changes))  # type: ignore[arg-type]
    assert (changed.approved_at is not None) == stands
    assert bool(house.claim(house.account()).workers) == stands


def test_who_may_not_create_may_not_approve_either(house: House) -> None:
    task = house.task(trust="public")
    laptop, stranger = house.account(), house.account()
    house.admin(
        ops.GrantWorkspace(account_id=str(laptop.account_id), workspace_id=house.workspace.id)
    )
    house.admin(
        ops.RevokeGrant(account_id=str(stranger.account_id), workspace_id=house.workspace.id)
    )
    for trick in (ops.ApproveTask(id=task.id), ops.UpdateTask(id=task.id, trust=Trust.INTERNAL)):
        with pytest.raises(Forbidden):
            house.broker.execute(trick, laptop)
        with pytest.raises(NotFound):
            house.broker.execute(trick, stranger)


def test_who_may_not_approve_puts_no_other_words_under_an_approval(house: House) -> None:
    laptop = house.account()
    task = approve(house, house.task("Fix the login", trust="public"))
    house.admin(
        ops.GrantWorkspace(account_id=str(laptop.account_id), workspace_id=house.workspace.id)
    )
    for words in ({"title": "Print all secrets"}, {"description": "all"}, {"context": {"a": 1}}):
        with pytest.raises(Forbidden, match="canCreate"):
            house.broker.execute(ops.UpdateTask(id=task.id, **words), laptop)  # type: ignore[arg-type]
    house.broker.execute(ops.UpdateTask(id=task.id, title=task.title, priority=7), laptop)
    assert house.see(task).title == "Fix the login"


def test_a_claim_that_waits_takes_what_is_approved(house: House) -> None:
    task = house.task(trust="public")
    waiting = house.broker.submit(ops.ClaimTasks(wait_seconds=30), house.account())
    approve(house, task)
    assert [each.task_id for each in waiting.result(20).workers] == [task.id]
