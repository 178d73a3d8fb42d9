"""The short form of the campaigns, whose long one is `python -m tests.dispatch`."""

from __future__ import annotations

from pathlib import Path

from tests.dispatch.processes import unlucky_calls
from tests.dispatch.scripted import scripted


def test_dispatchers_that_die_leave_nothing_and_start_nothing_twice(database_url: str) -> None:
    figures = scripted(database_url, tasks=15, seed=1)
    assert figures.clean, figures
    assert figures.faults >= 15 * 6


def test_faults_in_every_call_leave_no_process_and_start_none_twice(tmp_path: Path) -> None:
    figures = unlucky_calls(tmp_path, tasks=8, seed=1)
    assert figures.clean, figures
    assert figures.faults >= 8 * 6
