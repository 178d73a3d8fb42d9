"""The morning of a day; `make chaos` has the whole of it."""

from __future__ import annotations

import pytest

from tests.agent.day import Plan, spend


@pytest.mark.timeout(300)
def test_an_agent_leaves_nothing_behind_whatever_breaks_around_it() -> None:
    day = spend(Plan(tasks=12))
    assert day.is_clean, f"{day.table()}\n{day.told}"
    assert day.faults.total() > 0
