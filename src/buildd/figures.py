"""Figures that a process keeps about itself; whoever shows them decides in which form."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """How values were spread: for each bound, how many were at most as large, and all together."""

    up_to: Sequence[tuple[float, int]]
    number: int
    total: float


class Distribution:
    """Counts values by size. Any thread may add."""

    def __init__(self, *bounds: float) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        """Count one value."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._total += value

    def spread(self) -> Spread:
        """What was counted until now."""
        with self._lock:
            counts, total = list(self._counts), self._total
        up_to, seen = [], 0
        for bound, count in zip(self._bounds, counts, strict=False):
            seen += count
            up_to.append((bound, seen))
        return Spread(up_to, seen + counts[-1], total)


class Tally:
    """Counts what happened, by name. Any thread may add."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """Count one more."""
        with self._lock:
            self._counts[name] += 1

    def counts(self) -> Mapping[str, int]:
        """What was counted until now."""
        with self._lock:
            return dict(self._counts)
