"""What each hot operation costs in statements, each of which is a round trip on Postgres.

`docs/performance.md` lists them. One statement more is a decision, not an accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Principal
from buildd.models import Claimed
from buildd.operations.tasks import BatchedTask
from tests.broker.conftest import House
from tests.faults.seam import Step, faulty

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_CLOCK = "SELECT clock_timestamp"
"""Postgres is asked for the time, too."""


class Counted:
    """A house in which statements are counted."""

    def __init__(self, broker: Broker, said: list[str]) -> None:
        self.house = House(broker, None)  # type: ignore[arg-type] # the clock is the database's
        self.account = self.house.account(max_concurrent_workers=1000)
        self.said = said

    def claimed(self) -> tuple[Claimed, Principal]:
        self.house.task()
        return self.house.take(self.account)

    def running(self) -> tuple[Claimed, Principal]:
        self.house.task()
        return self.house.running(self.account)

    def cost(self, operation: ops.Operation[object], principal: Principal) -> int:
        """Of a commit with nothing else in it, with what it tells the feed and the audit log."""
        self.said.clear()
        self.house.broker.execute(operation, principal)
        return sum(not text.startswith(_CLOCK) for text in self.said)


@pytest.fixture
def counted(database_url: str) -> Iterator[Counted]:
    said: list[str] = []

    def note(text: str, step: Step) -> object:
        said.append(text)
        return step()

    with closing(Broker(faulty(database_url, note, writers=1), BrokerSettings())) as broker:
        broker.reaper.close()
        broker.housekeeper.close()
        yield Counted(broker, said)


def _create(counted: Counted) -> int:
    workspace = counted.house.workspace.id
    return counted.cost(ops.CreateTask(workspace_id=workspace, title="x"), ADMIN)


def _create_fifty(counted: Counted) -> int:
    task = BatchedTask(workspace_id=counted.house.workspace.id, title="x")
    return counted.cost(ops.CreateTasks(tasks=[task] * 50), ADMIN)


def _claim(counted: Counted) -> int:
    counted.house.task()
    return counted.cost(ops.ClaimTasks(), counted.account)


def _claim_fifty(counted: Counted) -> int:
    for _ in range(50):
        counted.house.task()
    return counted.cost(ops.ClaimTasks(max_tasks=50), counted.account)


def _claim_with_budget(counted: Counted) -> int:
    counted.house.task(max_cost=Decimal(1))
    return counted.cost(ops.ClaimTasks(), counted.account)


def _claim_in_vain(counted: Counted) -> int:
    return counted.cost(ops.ClaimTasks(), counted.account)


def _start(counted: Counted) -> int:
    claimed, lease = counted.claimed()
    return counted.cost(ops.StartWorker(id=claimed.id), lease)


def _beat(counted: Counted) -> int:
    claimed, lease = counted.running()
    return counted.cost(ops.Heartbeat(id=claimed.id), lease)


def _beat_with_cost(counted: Counted) -> int:
    claimed, lease = counted.running()
    return counted.cost(ops.Heartbeat(id=claimed.id, cost_usd=Decimal("0.1")), lease)


def _complete(counted: Counted) -> int:
    claimed, lease = counted.running()
    return counted.cost(ops.CompleteWorker(id=claimed.id, result={"done": True}), lease)


def _say(counted: Counted) -> int:
    claimed, lease = counted.running()
    return counted.cost(ops.CreateMessage(worker_id=claimed.id, content="so far"), lease)


COSTS: dict[str, tuple[Callable[[Counted], int], int]] = {
    "create a task": (_create, 9),
    "create 50 tasks": (_create_fifty, 9),
    "claim one": (_claim, 15),
    "claim 50": (_claim_fifty, 162),
    "claim one with a budget": (_claim_with_budget, 20),
    "claim in vain": (_claim_in_vain, 6),
    "start": (_start, 6),
    "heartbeat": (_beat, 7),
    "heartbeat with a cost": (_beat_with_cost, 17),
    "complete": (_complete, 14),
    "say something": (_say, 6),
}


@pytest.mark.parametrize("name", COSTS)
def test_an_operation_takes_no_more_statements_than_it_is_known_for(
    name: str, counted: Counted
) -> None:
    counts, known = COSTS[name]
    assert counts(counted) == known, "\n".join(counted.said)


def test_the_page_tells_them() -> None:
    told = dict(re.findall(r"^\| ([a-z][\w ]+) \| (\d+) \|", PAGE.read_text(), re.MULTILINE))
    assert told == {name: str(known) for name, (_, known) in COSTS.items()}
