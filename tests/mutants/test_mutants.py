"""The list of guards cannot rot, and a few of them are taken away each day; `make mutants` takes all."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from tests.mutants.mutants import ROOT, Mutant, fates, mutants

A_FEW = 3


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.guard)
def test_each_guard_still_stands_where_the_list_says(mutant: Mutant) -> None:
    assert mutant.occurrences() == 1, f"{mutant.file} has changed: mend tests/mutants/mutants.toml"
    assert mutant.find != mutant.replace
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert name.split("[")[0] in (ROOT / file).read_text()


@pytest.mark.timeout(600)
def test_a_few_guards_are_missed_when_they_are_gone() -> None:
    seed = int(os.environ.get("BUILDD_FAULT_SEED", datetime.now(UTC).toordinal()))
    every = mutants()
    chosen = [every[(seed * A_FEW + number) % len(every)] for number in range(A_FEW)]
    for fate in fates(chosen, jobs=1):
        assert fate.killed, f"without {fate.mutant.guard!r} (seed {seed}):\n{fate.said}"
