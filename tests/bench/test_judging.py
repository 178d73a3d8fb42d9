"""What the benchmarks make of their figures; that they can be measured is shown by `make bench`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest

from tests.bench.comparing import (
    Comparison,
    Contestants,
    Goal,
    Measure,
    Row,
    at_least,
    at_most,
    measured,
)
from tests.bench.earlier import DATE, FORM, MACHINE, REVISION, form, taken
from tests.bench.plot import LABELS, TIPS, WIDTH, ratios_svg
from tests.bench.report import BEGIN, END, as_json, as_text, write_page
from tests.bench.stage import Stage

RATE = "tasks/s"


def row(goal: Goal, *others: str, **figures: list[float]) -> Row:
    """A row whose contestants say what they are given to say, one figure each turn."""

    @contextmanager
    def opened(_stage: Stage) -> Iterator[Contestants]:
        yield {name: _saying(iter(given)) for name, given in figures.items()}

    return Row(1, "Work", "as usual", (Comparison(RATE, "ours", others, goal),), opened)


def _saying(figures: Iterator[float]) -> Measure:
    return lambda: {RATE: next(figures)}


def test_a_ratio_is_the_median_of_the_ratios_of_each_turn(tmp_path: Path) -> None:
    # The machine was slow in the second turn, for both.
    found = measured(
        row(at_least(0.5), "theirs", ours=[50, 5, 70], theirs=[100, 10, 100]), Stage(tmp_path), 3
    )
    [verdict] = found.verdicts()
    assert (verdict.ratio, verdict.spread, verdict.met) == (0.5, (0.5, 0.7), True)
    assert (verdict.ours, verdict.theirs) == (50, 100)


@pytest.mark.parametrize(("goal", "best"), [(at_least(1), "fast"), (at_most(1), "slow")])
def test_we_stand_beside_the_best_of_the_others(tmp_path: Path, goal: Goal, best: str) -> None:
    asked = row(goal, "slow", "fast", ours=[10], slow=[5], fast=[20])
    [verdict] = measured(asked, Stage(tmp_path), 1).verdicts()
    assert verdict.other == best
    assert not verdict.met


def test_without_others_the_figure_itself_counts(tmp_path: Path) -> None:
    [verdict] = measured(row(at_most(50), ours=[40, 60, 45]), Stage(tmp_path), 3).verdicts()
    assert (verdict.ratio, verdict.other, verdict.met) == (45, None, True)


@pytest.mark.parametrize(("ours", "ratio"), [(0.0, 1.0), (2.0, float("inf"))])
def test_nothing_beside_nothing_is_equal(tmp_path: Path, ours: float, ratio: float) -> None:
    asked = row(at_most(1), "theirs", ours=[ours], theirs=[0])
    found = measured(asked, Stage(tmp_path), 1)
    [verdict] = found.verdicts()
    assert verdict.ratio == ratio
    assert "Infinity" not in as_json([found], {})


def test_the_page_gets_the_table_between_its_marks_and_a_plot(tmp_path: Path) -> None:
    found = measured(row(at_least(1), "theirs", ours=[1], theirs=[2]), Stage(tmp_path), 1)
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    write_page(page, [found], {"machine": "a small one"})
    text = page.read_text()
    assert "| 1 | Work: ours | tasks/s | 1 | 2 (theirs) | **0.50** (0.50 to 0.50) | ≥ 1 |" in text
    assert "old" not in text
    assert text.endswith(f"{END}\n\nAfter.\n")
    plot = (tmp_path / "performance.svg").read_text()
    assert ET.fromstring(plot).tag.endswith("svg")  # noqa: S314 - we have drawn it ourselves


@pytest.fixture
def facts() -> dict[str, str]:
    """What a run says of itself."""
    return {REVISION: "abc", FORM: form(5, short=False), MACHINE: "small", DATE: "today"}


def test_rows_that_were_measured_before_are_taken(tmp_path: Path, facts: dict[str, str]) -> None:
    before = measured(row(at_least(1), "theirs", ours=[1], theirs=[2]), Stage(tmp_path), 1)
    file = tmp_path / "before.json"
    file.write_text(as_json([before], facts))
    [found], told = taken([file], {1: before.row}, {**facts, DATE: "tomorrow"})
    assert found.verdicts() == before.verdicts()
    assert told["of rows 1"] == "measured today, in a run of their own"
    with pytest.raises(click.UsageError, match="row 1 is in another file too"):
        taken([file, file], {1: before.row}, facts)


@pytest.mark.parametrize("other", [REVISION, FORM, MACHINE])
def test_rows_of_another_revision_are_not_taken(
    tmp_path: Path, facts: dict[str, str], other: str
) -> None:
    file = tmp_path / "before.json"
    file.write_text(as_json([], {**facts, other: "something else"}))
    with pytest.raises(click.UsageError, match=f"{other} is something else, not"):
        taken([file], {}, facts)
    file.write_text("[]")
    with pytest.raises(click.UsageError, match="not written by --json"):
        taken([file], {}, facts)


def test_what_is_said_names_the_goal_and_whether_it_is_met(tmp_path: Path) -> None:
    found = measured(row(at_least(1), "theirs", ours=[1], theirs=[2]), Stage(tmp_path), 1)
    assert "→ ours / theirs, tasks/s: 0.50 (≥ 1: MISSED)" in as_text(found)
    assert '"met": false' in as_json([found], {})


@pytest.mark.parametrize(("ours", "theirs"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1e9), (1e9, 1.0)])
def test_what_is_beyond_the_scale_is_drawn_at_its_end(
    tmp_path: Path, ours: float, theirs: float
) -> None:
    found = measured(row(at_most(1), "theirs", ours=[ours], theirs=[theirs]), Stage(tmp_path), 1)
    plot = ET.fromstring(ratios_svg([(1, found.verdicts())]))  # noqa: S314 - as above
    dots = [float(each.get("cx", 0)) for each in plot if each.tag.endswith("circle")]
    assert dots[-1] in {LABELS, WIDTH - TIPS}
