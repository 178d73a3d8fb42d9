"""Random waits, so that many who wait for one thing do not all come at once.

They are drawn from a generator of their own: to draw from `random` itself, in threads that a program
does not know of, would change what a program draws there that has seeded it.
"""

from __future__ import annotations

import random

_random = random.Random()  # noqa: S311 - spreads load, guards nothing


def between(least: float, most: float) -> float:
    """A number from `least` to `most`, all of them equally likely."""
    return _random.uniform(least, most)
