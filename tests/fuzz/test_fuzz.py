"""A short run of `make fuzz`, so that it cannot rot and a new route has its turn at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import faults, fuzz, served

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
SHORT = ("--max-examples=1", "--phases=fuzzing", "--generation-deterministic")


def test_no_request_is_answered_against_the_document(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path) as server:
        runs = [fuzz(server, caller, tmp_path, *SHORT) for caller in ("admin", "first")]
    assert faults(runs) == ""
    assert all(run.cases > 100 for run in runs)
