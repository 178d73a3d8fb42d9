"""Dependencies under sixteen workers: no task begins early, and none waits for what is done."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Principal
from buildd.models import Claimed, Task
from buildd.operations import Operation
from buildd.states import TaskStatus
from tests.races import history
from tests.races.conftest import Field, at_once

GRAPHS = 12
SIZE = 20


def graph(field: Field, chance: random.Random) -> dict[str, list[str]]:
    """Tasks that each depend on a few of those before them."""
    made: list[Task] = []
    for _ in range(SIZE):
        above = chance.sample(made, k=min(len(made), chance.choice([0, 1, 1, 2, 3, 5])))
        made.append(
            field.admin(
                ops.CreateTask(
                    workspace_id=field.workspace.id,
                    title="node",
                    priority=chance.randint(-5, 5),
                    depends_on=[parent.id for parent in above],
                )
            )
        )
    return {task.id: task.depends_on for task in made}


def work(field: Field, racer: Principal) -> None:
    """Until there is nothing more; whoever ends last has seen what the others released."""
    while claimed := field.claim(racer, max_tasks=3):
        for each in claimed:
            field.finish(each)


def test_random_graphs_end_completely_and_in_order(field: Field) -> None:
    parents: dict[str, list[str]] = {}
    for seed in range(GRAPHS):
        parents.update(graph(field, random.Random(seed)))
    racers = [field.racer(slots=4) for _ in range(16)]
    at_once(16, lambda n: work(field, racers[n]))
    seen = history.read(field.broker, field.limits, parents)
    assert set(seen.completions) == set(parents)


def _complete(field: Field, held: Sequence[tuple[Claimed, Principal]], number: int) -> None:
    claimed, lease = held[number]
    field.broker.execute(ops.CompleteWorker(id=claimed.id), lease)


def _one_of(field: Field, deeds: Sequence[tuple[Operation[Any], Principal]], number: int) -> Any:
    return field.broker.execute(*deeds[number])


@pytest.mark.parametrize("fan", [2, 8])
def test_parents_that_end_together_release_their_child(field: Field, fan: int) -> None:
    racer = field.racer(slots=fan)
    for _ in range(20):
        above = field.tasks(fan)
        [child] = field.tasks(1, depends_on=[task.id for task in above], priority=-1)
        held = [field.holding(racer, task_id=task.id) for task in above]
        at_once(fan, partial(_complete, field, held))
        [released] = field.claim(racer, task_id=child.id)
        field.finish(released)
    history.read(field.broker, field.limits)


def test_a_child_made_while_its_parent_ends_is_not_forgotten(field: Field) -> None:
    racer = field.racer(slots=2)
    for _ in range(30):
        [parent] = field.tasks(1)
        claimed, lease = field.holding(racer, task_id=parent.id)
        begin = ops.CreateTask(
            workspace_id=field.workspace.id, title="child", depends_on=[parent.id]
        )
        end = ops.CompleteWorker(id=claimed.id)
        _, child = at_once(2, partial(_one_of, field, [(end, lease), (begin, ADMIN)]))
        [released] = field.claim(racer, task_id=child.id)
        field.finish(released)


def test_a_child_falls_with_a_parent_that_is_cancelled_while_another_ends(field: Field) -> None:
    racer = field.racer(slots=1)
    for _ in range(30):
        good, bad = field.tasks(2)
        [child] = field.tasks(1, depends_on=[good.id, bad.id], priority=-1)
        claimed, lease = field.holding(racer, task_id=good.id)
        end, stop = ops.CompleteWorker(id=claimed.id), ops.CancelTask(id=bad.id)
        at_once(2, partial(_one_of, field, [(end, lease), (stop, ADMIN)]))
        assert field.admin(ops.GetTask(id=child.id)).status is TaskStatus.FAILED
    history.read(field.broker)


def test_a_child_that_runs_anyway_waits_for_each_parent_once(field: Field) -> None:
    """A parent that fails, is retried and completes has ended twice, and still counts once."""
    racer = field.racer(slots=2)
    [again, slow] = field.tasks(2)
    [child] = field.tasks(
        1, depends_on=[again.id, slow.id], on_dependency_failure="run", priority=-1
    )
    claimed, lease = field.holding(racer, task_id=again.id)
    field.broker.execute(ops.FailWorker(id=claimed.id, error="no", retryable=False), lease)
    field.admin(ops.RetryTask(id=again.id))
    [second] = field.claim(racer, task_id=again.id)
    field.finish(second)
    assert field.claim(racer, task_id=child.id) == []
    [last] = field.claim(racer, task_id=slow.id)
    field.finish(last)
    assert [each.task_id for each in field.claim(racer)] == [child.id]
