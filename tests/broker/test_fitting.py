"""Tasks that are claimed together are those that would have been claimed one after the other."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from buildd import operations as ops
from buildd.broker import Principal
from tests.broker.conftest import House

_WORKSPACES, _TASKS = 3, 25


def _scene(house: House, seed: int) -> Principal:
    """Tasks in workspaces with limits, and an account with limits that may claim them; titled by number."""
    draw = Random(seed)
    made = house.admin(
        ops.CreateAccount(
            type="user",
            name="laptop",
            max_concurrent_workers=draw.randint(1, _TASKS),
            max_cost_per_day=Decimal(draw.randint(5, 60)),
            max_cost_per_task=draw.choice([None, Decimal(1)]),
        )
    )
    places = [
        house.admin(
            ops.CreateWorkspace(
                name=f"place {number}",
                max_concurrent_workers=draw.choice([None, draw.randint(1, 8)]),
                max_cost_per_day=draw.choice([None, Decimal(draw.randint(2, 20))]),
            )
        )
        for number in range(_WORKSPACES)
    ]
    for place in places:
        house.admin(ops.GrantWorkspace(account_id=made.id, workspace_id=place.id))
    for number in range(_TASKS):
        house.admin(
            ops.CreateTask(
                workspace_id=draw.choice(places).id,
                title=f"{number}",
                priority=draw.randint(0, 3),
                max_cost=draw.choice([None, Decimal(draw.randint(1, 6))]),
            )
        )
    return house.broker.authenticate(made.api_key).result()


def _one_by_one(house: House, account: Principal) -> list[str]:
    titles: list[str] = []
    while claimed := house.claim(account).workers:
        titles += [each.task.title for each in claimed]
    return titles


@pytest.mark.parametrize("seed", range(12))
def test_together_is_the_same_as_one_after_the_other(house: House, seed: int) -> None:
    together, alone = _scene(house, seed), _scene(house, seed)
    claimed = house.claim(together, max_tasks=_TASKS).workers
    expected = _one_by_one(house, alone)
    assert [each.task.title for each in claimed] == expected
    assert house.claim(together).workers == []
