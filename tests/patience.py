"""How long tests wait for what must happen: it measures nothing, and is there for what never does."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 100.0
"""Seconds; a little less than pytest gives a test, so that the test itself can say what was missing."""


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for what must happen, looking often."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
