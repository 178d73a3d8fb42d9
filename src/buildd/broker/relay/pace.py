"""When the relay does things, and for how long it tries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from buildd.jitter import backoff


@dataclass(frozen=True)
class RelayPace:
    """Seconds, but for the attempts."""

    tick: float = 1.0
    """Between two looks at the database, if no event asks for one sooner."""
    send: float = 20.0
    """What one attempt has."""
    lease: float = 60.0
    """For how long nobody else sends what somebody took; longer than an attempt."""
    first: float = 10.0
    """The wait after the first attempt that failed; it doubles with each one."""
    longest: float = 6 * 3600.0
    attempts: int = 16
    """About a day of them; then it is given up."""
    patience: float = 5 * 86_400.0
    """A target that took nothing for so long is told nothing more."""

    def next_try(self, attempts: int) -> timedelta:
        """The wait after so many attempts."""
        return backoff(self.first, attempts, self.longest)
