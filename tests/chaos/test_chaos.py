"""A few seconds of chaos on each database; `make chaos` takes minutes, and the nights are longer still."""

from __future__ import annotations

import pytest

from tests.chaos.__main__ import run
from tests.chaos.campaign import Plan
from tests.chaos.table import table


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_nothing_is_lost_or_done_twice_whatever_is_killed(database: str) -> None:
    outcome = run(Plan(database, seconds=8, rate=4, processes=2, agents=4))
    assert outcome.verdict.clean, table([outcome])
    assert outcome.verdict.completed > 0
    assert outcome.faults.total() > 0
