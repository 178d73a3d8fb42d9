"""A tenth of the crash points, another one each day; `make chaos` dies at all of them.

BUILDD_FAULT_SEED repeats a day's choice: the last line of the program names it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import Postgres


@pytest.mark.timeout(300)
def test_a_death_at_any_statement_loses_nothing(postgres: Postgres, tmp_path: Path) -> None:
    postgres.sql("CREATE DATABASE crash_points")
    places = {
        "sqlite": ["--directory", str(tmp_path)],
        "postgres": ["--url", postgres.url("crash_points")],
    }
    running = [_campaign(database, where) for database, where in places.items()]
    for each in running:
        said, complained = each.communicate()
        assert each.returncode == 0, said + complained
        assert " 0 violations" in said


def _campaign(database: str, where: list[str]) -> subprocess.Popen[str]:
    """In a process of its own, because it forks, and this one has threads of other tests."""
    seed = os.environ.get("BUILDD_FAULT_SEED")
    chosen = ["--share", "10", *(["--seed", seed] if seed else [])]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.crash", database, *where, *chosen],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
