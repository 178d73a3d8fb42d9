"""Random waits, so that many who wait for one thing do not all come at once.

They are drawn from a generator of their own: to draw from `random` itself, in threads that a program
does not know of, would change what a program draws there that has seeded it.
"""

from __future__ import annotations

import random
from datetime import timedelta

_DOUBLINGS = 20
"""Whatever doubles so often is longer than anybody waits, and still a number."""

_random = random.Random()  # noqa: S311 - spreads load, guards nothing


def between(least: float, most: float) -> float:
    """A number from `least` to `most`, all of them equally likely."""
    return _random.uniform(least, most)


def backoff(first: float, failures: int, longest: float) -> timedelta:
    """The wait after so many failures in a row: the upper half of a bound that doubles with each.

    So it is never at once, and never all together.
    """
    bound = min(first * 2.0 ** min(failures - 1, _DOUBLINGS), longest)
    return timedelta(seconds=between(bound / 2, bound))
