"""The broker does what the model does, whatever is done to it: on both databases, step by step.

A test run takes few steps, always the same ones; `BUILDD_MODEL_STEPS=25000` takes so many, always others.

That a model agrees says little if it cannot disagree. So two guards were taken out of the broker by hand,
each in a copy, with no other test run. The fence's comparison of epochs (`fence.holds`) was missed at step
261; the account's limit of slots, `<=` for `<`, at step 317 where a slot is taken (`TAKE_ACCOUNT_SLOTS`), and
at step 2,019 where a claim only asks for one (`CLAIMABLE`), which shows in nothing but the reasons given.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from buildd.states import TASK, WORKER
from tests.blank import Blanks
from tests.model.machine import Machine

STEPS = int(os.environ.get("BUILDD_MODEL_STEPS", "400"))
STEPS_PER_EXAMPLE = 80
LONG = STEPS > 5000
BESIDES = (
    "forgotten: event",
    "forgotten: task",
    "gone: account",
    "gone: workspace",
    "reported: accepted",
    "reported: lease_lost",
    "reported: not_authenticated",
)
"""What a long run must have met, besides each step of the state machines."""

pytestmark = pytest.mark.timeout(0 if LONG else 300)


@pytest.fixture
def fresh_sqlite(sqlite_template: Path, tmp_path: Path) -> Callable[[], str]:
    def make() -> str:
        path = tmp_path / "buildd.db"
        for old in tmp_path.glob("buildd.db*"):
            old.unlink()
        shutil.copy(sqlite_template, path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture
def fresh_postgres(blanks: Blanks) -> Iterator[Callable[[], str]]:
    with ExitStack() as lent:

        def make() -> str:
            lent.close()
            return lent.enter_context(blanks.lend())

        yield make


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_broker_does_what_the_model_does(
    kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    class Case(Machine):
        fresh = staticmethod(request.getfixturevalue(f"fresh_{kind}"))
        seen = Counter()

    profile = settings(
        max_examples=max(1, STEPS // STEPS_PER_EXAMPLE),
        stateful_step_count=STEPS_PER_EXAMPLE,
        derandomize=not LONG,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Case, settings=profile)
    if LONG:
        with capsys.disabled():
            sys.stdout.write(_figures(kind, Case.seen))
        assert not _unseen(Case.seen)


def _figures(kind: str, seen: Counter[str]) -> str:
    rows = (f"{count:8}  {what}" for what, count in sorted(seen.items()))
    return "\n".join([f"\n{kind}: no divergence", *rows, ""])


def _unseen(seen: Counter[str]) -> set[str]:
    wanted = set(BESIDES) | {
        f"{machine.name}: {source.value} → {step.target.value}"
        for machine in (TASK, WORKER)
        for step in machine.steps
        for source in step.sources
    }
    return wanted - set(seen)
