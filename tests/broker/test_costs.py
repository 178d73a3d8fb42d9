"""What each hot operation costs: in statements, in round trips to Postgres, in bytes of the answer.

`docs/performance.md` lists them. One more is a decision, not an accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Principal
from buildd.models import Claimed
from buildd.operations.tasks import BatchedTask
from buildd.store.dialects import Connection
from tests.broker.conftest import House
from tests.faults.seam import Step, faulty

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_GO, _COME = "(", ")"
"""Noted around statements that travel together."""


class Cost(NamedTuple):
    """Of a commit with nothing else in it, with what it tells the feed and the audit log."""

    statements: int
    round_trips: int
    answered: int
    """Bytes, at most."""


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

    def cost(self, operation: ops.Operation[object], principal: Principal) -> Cost:
        self.said.clear()
        answer = self.house.broker.execute(operation, principal)
        statements = [text for text in self.said if text not in {_GO, _COME}]
        answered = len(operation.answer().dump_json(answer, by_alias=True))
        return Cost(len(statements), _round_trips(self.said), answered)


def _round_trips(said: list[str]) -> int:
    found, travels = 0, False
    for text in said:
        found += text != _COME and not travels
        travels = text == _GO or (travels and text != _COME)
    return found


@pytest.fixture
def counted(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    said: list[str] = []

    def note(text: str, step: Step) -> object:
        said.append(text)
        return step()

    database = faulty(database_url, note, writers=1)
    together = database.together

    @contextmanager
    def travelling(connection: Connection) -> Iterator[None]:
        said.append(_GO)
        with together(connection):
            yield
        said.append(_COME)

    monkeypatch.setattr(database, "together", travelling, raising=False)
    with closing(Broker(database, BrokerSettings())) as broker:
        broker.reaper.close()
        broker.housekeeper.close()
        yield Counted(broker, said)


def _create(counted: Counted) -> Cost:
    workspace = counted.house.workspace.id
    return counted.cost(ops.CreateTask(workspace_id=workspace, title="x"), ADMIN)


def _create_fifty(counted: Counted) -> Cost:
    task = BatchedTask(workspace_id=counted.house.workspace.id, title="x")
    return counted.cost(ops.CreateTasks(tasks=[task] * 50), ADMIN)


def _claim(counted: Counted) -> Cost:
    counted.house.task()
    return counted.cost(ops.ClaimTasks(), counted.account)


def _claim_fifty(counted: Counted) -> Cost:
    for _ in range(50):
        counted.house.task()
    return counted.cost(ops.ClaimTasks(max_tasks=50), counted.account)


def _claim_with_budget(counted: Counted) -> Cost:
    counted.house.task(max_cost=Decimal(1))
    return counted.cost(ops.ClaimTasks(), counted.account)


def _claim_in_vain(counted: Counted) -> Cost:
    return counted.cost(ops.ClaimTasks(), counted.account)


def _start(counted: Counted) -> Cost:
    claimed, lease = counted.claimed()
    return counted.cost(ops.StartWorker(id=claimed.id), lease)


def _beat(counted: Counted) -> Cost:
    claimed, lease = counted.running()
    return counted.cost(ops.Heartbeat(id=claimed.id), lease)


def _beat_with_cost(counted: Counted) -> Cost:
    claimed, lease = counted.running()
    return counted.cost(ops.Heartbeat(id=claimed.id, cost_usd=Decimal("0.1")), lease)


def _complete(counted: Counted) -> Cost:
    claimed, lease = counted.running()
    return counted.cost(ops.CompleteWorker(id=claimed.id, result={"done": True}), lease)


def _say(counted: Counted) -> Cost:
    claimed, lease = counted.running()
    return counted.cost(ops.CreateMessage(worker_id=claimed.id, content="so far"), lease)


def _say_a_hundred(counted: Counted) -> Cost:
    claimed, lease = counted.running()
    messages = [ops.BatchedMessage(content="so far")] * 100
    said = ops.CreateMessages(worker_id=claimed.id, messages=messages, idempotency_key="said")
    return counted.cost(said, lease)


COSTS: dict[str, tuple[Callable[[Counted], Cost], Cost]] = {
    "create a task": (_create, Cost(9, 5, 650)),
    "create 50 tasks": (_create_fifty, Cost(9, 5, 33_000)),
    "claim one": (_claim, Cost(15, 6, 1_700)),
    "claim 50": (_claim_fifty, Cost(113, 6, 84_000)),
    "claim one with a budget": (_claim_with_budget, Cost(20, 7, 1_700)),
    "claim in vain": (_claim_in_vain, Cost(6, 4, 130)),
    "start": (_start, Cost(6, 6, 670)),
    "heartbeat": (_beat, Cost(4, 4, 120)),
    "heartbeat with a cost": (_beat_with_cost, Cost(14, 7, 120)),
    "complete": (_complete, Cost(14, 6, 700)),
    "say something": (_say, Cost(6, 5, 270)),
    "say 100 things": (_say_a_hundred, Cost(9, 6, 4_100)),
}


@pytest.mark.parametrize("name", COSTS)
def test_an_operation_costs_no_more_than_it_is_known_for(name: str, counted: Counted) -> None:
    counts, known = COSTS[name]
    cost = counts(counted)
    assert cost[:2] == known[:2], "\n".join(counted.said)
    # A time has as many digits as it needs.
    assert 0.9 * known.answered <= cost.answered <= known.answered


def test_the_page_tells_them() -> None:
    rows = re.findall(
        r"^\| ([a-z][\w ]+) \| (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text(), re.MULTILINE
    )
    told = {name: Cost(*map(int, costs)) for name, *costs in rows}
    assert told == {name: known for name, (_, known) in COSTS.items()}
