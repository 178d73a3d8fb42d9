"""What is measured and how it is judged: contestants take turns, and their figures become ratios.

The machine may be shared, so no figure is judged by itself: what is compared was measured alternately,
and of the ratios of all runs the median counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import inf
from statistics import median

from tests.bench.stage import Stage

Figures = Mapping[str, float]
"""What one measurement found; a name ends with its unit."""
Measure = Callable[[], Figures]
Contestants = Mapping[str, Measure]
"""Whom a row measures, in the order of their turns."""


@dataclass(frozen=True)
class Goal:
    """What a ratio should be."""

    bound: float
    more_is_better: bool

    def met(self, ratio: float) -> bool:
        """Whether it is reached."""
        return ratio >= self.bound if self.more_is_better else ratio <= self.bound

    def best(self, figures: Mapping[str, float]) -> str:
        """Who of some is the hardest to keep up with."""
        choose = max if self.more_is_better else min
        return choose(figures, key=lambda name: figures[name])

    def __str__(self) -> str:
        return f"{'≥' if self.more_is_better else '≤'} {self.bound:g}"


def at_least(bound: float) -> Goal:
    """Of a figure that is good if it is large."""
    return Goal(bound, more_is_better=True)


def at_most(bound: float) -> Goal:
    """Of a figure that is good if it is small."""
    return Goal(bound, more_is_better=False)


@dataclass(frozen=True)
class Comparison:
    """A figure of one contestant beside the same of the best of others.

    Without others, the figure itself is held to the goal.
    """

    figure: str
    ours: str
    others: tuple[str, ...]
    goal: Goal


@dataclass(frozen=True)
class Row:
    """Work that is measured, with those who do it."""

    number: int
    title: str
    settings: str
    """How everybody was set up, in a sentence."""
    comparisons: tuple[Comparison, ...]
    opened: Callable[[Stage], AbstractContextManager[Contestants]] = field(repr=False)


@dataclass(frozen=True)
class Verdict:
    """What became of a comparison."""

    comparison: Comparison
    ours: float
    other: str | None
    theirs: float | None
    ratio: float
    spread: tuple[float, float]
    """The smallest and the largest ratio of the runs."""

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.comparison.goal.met(self.ratio)


@dataclass(frozen=True)
class Measured:
    """A row with every figure of every run."""

    row: Row
    samples: Mapping[str, Sequence[Figures]]

    def verdicts(self) -> list[Verdict]:
        """What the figures say; a short form leaves some of them out."""
        return [self._verdict(each) for each in self.row.comparisons if each.ours in self.samples]

    def medians(self) -> dict[str, dict[str, float]]:
        """The middle of each contestant's figures."""
        return {
            who: {name: median(each[name] for each in runs) for name in runs[0]}
            for who, runs in self.samples.items()
        }

    def _verdict(self, asked: Comparison) -> Verdict:
        medians = self.medians()
        ours = [each[asked.figure] for each in self.samples[asked.ours]]
        if not asked.others:
            middle = median(ours)
            return Verdict(asked, middle, None, None, middle, (min(ours), max(ours)))
        other = asked.goal.best({name: medians[name][asked.figure] for name in asked.others})
        theirs = [each[asked.figure] for each in self.samples[other]]
        ratios = [_ratio(mine, its) for mine, its in zip(ours, theirs, strict=True)]
        return Verdict(
            asked,
            median(ours),
            other,
            median(theirs),
            median(ratios),
            (min(ratios), max(ratios)),
        )


def _ratio(ours: float, theirs: float) -> float:
    """What nobody could measure counts as equal."""
    if not theirs:
        return inf if ours else 1.0
    return ours / theirs


def measured(row: Row, stage: Stage, runs: int) -> Measured:
    """Let the contestants of a row take turns."""
    with row.opened(stage) as contestants:
        samples: dict[str, list[Figures]] = {name: [] for name in contestants}
        for _ in range(runs):
            for name, measure in contestants.items():
                samples[name].append(measure())
    return Measured(row, samples)
