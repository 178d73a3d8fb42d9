"""Time as an argument: whoever needs "now" is handed a clock, so that no test ever sleeps."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """Tells the time in aware UTC."""

    def now(self) -> datetime:
        """The present moment, aware and in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment, aware and in UTC."""
        return datetime.now(UTC)


def elapsed() -> float:
    """Seconds on a clock that never goes back and keeps counting while a laptop sleeps.

    `time.monotonic` stands still during suspend on Linux, so an agent that used it would wake up
    believing in a lease that ended hours ago.
    """
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)


def duration(seconds: float) -> str:
    """A time as people say it: 42 s, 7 min, 2 h 07."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02}"
    return f"{minutes} min" if minutes else f"{rest} s"
