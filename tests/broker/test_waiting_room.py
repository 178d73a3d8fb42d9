"""The waiting room by itself: what happens when events and answers of the store overtake each other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime

import pytest

from buildd.broker import Principal
from buildd.broker._context import HERE
from buildd.broker.principals import PrincipalKind
from buildd.broker.waiting import WaitingRoom
from buildd.events import Event, EventType
from buildd.models import Claim, Reason, ReasonCode
from buildd.operations import ClaimTasks

LAPTOP, CLOUD = (Principal(PrincipalKind.ACCOUNT, account_id=f"acc_{each}") for each in "ab")
NO_WORK, NO_SLOT = (
    Claim(workers=[], reason=Reason(code=code, message="none"))
    for code in (ReasonCode.NO_WORK, ReasonCode.NO_SLOT)
)


class Room:
    """A waiting room whose claims are answered by hand."""

    def __init__(self) -> None:
        self.tries: list[tuple[Principal, Future[Claim]]] = []
        self.room = WaitingRoom(self._attempt, lambda claimed: None)

    def _attempt(self, _: ClaimTasks, who: Principal, __: object) -> Future[Claim]:
        self.tries.append((who, Future()))
        return self.tries[-1][1]

    def wait(self, who: Principal, *capabilities: str) -> None:
        wanted = ClaimTasks(wait_seconds=30, capabilities=[*capabilities])
        self.room.admit(wanted, who, HERE)

    def answer(self, claim: Claim) -> None:
        """To the one who tried last."""
        self.tries[-1][1].set_result(claim)

    def hear(self, kind: EventType, who: Principal | None = None, **data: object) -> None:
        account = who.account_id if who else None
        event = Event(
            seq=1,
            type=kind,
            at=datetime.now(UTC),
            workspace_id="ws_1",
            task_id="task_1",
            account_id=account,
            data=data,
        )
        self.room.hear(event)

    def who_tried(self) -> list[Principal]:
        return [who for who, _ in self.tries]


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    with closing(made.room):
        yield made


def test_a_slot_that_is_freed_while_one_is_told_that_there_is_none_is_not_missed(
    room: Room,
) -> None:
    room.wait(LAPTOP)
    room.answer(NO_WORK)
    room.hear(EventType.TASK_CREATED, status="pending")
    room.hear(EventType.WORKER_STATUS, LAPTOP, status="completed", previousStatus="running")
    room.answer(NO_SLOT)
    assert room.who_tried() == [LAPTOP] * 3


def test_a_slot_of_one_account_lets_no_other_try(room: Room) -> None:
    for who in (LAPTOP, CLOUD):
        room.wait(who)
        room.answer(NO_SLOT)
    room.hear(EventType.WORKER_STATUS, CLOUD, status="completed", previousStatus="running")
    assert room.who_tried() == [LAPTOP, CLOUD, CLOUD]


def test_who_found_nothing_since_a_task_was_there_is_not_asked_about_it(room: Room) -> None:
    for capability in ("docker", "gpu"):
        room.wait(LAPTOP, capability)
        room.answer(NO_WORK)
    room.hear(EventType.TASK_CREATED, status="pending")
    assert len(room.tries) == 3
    room.hear(EventType.WORKSPACE_UPDATED)
    assert len(room.tries) == 4  # the other; the first looks again when it is done
    room.answer(NO_WORK)
    assert len(room.tries) == 4  # so the task is offered to nobody more
