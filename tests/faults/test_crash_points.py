"""A fortieth of the crash points, another one each day; `make chaos` dies at all of them.

BUILDD_FAULT_SEED repeats a day's choice: the last line of the program names it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.__main__ import campaign
from tests.postgres import Postgres


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_death_at_any_statement_loses_nothing(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    where = ["--directory", str(tmp_path)]
    if database == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        postgres.sql("CREATE DATABASE crash_points")
        where = ["--url", postgres.url("crash_points")]
    seed = os.environ.get("BUILDD_FAULT_SEED")
    running = campaign(database, [*where, "--share", "40", *(["--seed", seed] if seed else [])])
    said, complained = running.communicate()
    assert running.returncode == 0, said + complained
    assert " 0 violations" in said
