"""What buildd tests itself with, for whoever tests with it: a clock that stands still until it is told.

Suites to inherit have modules of their own: `conformance` for brokers, `runners` for runners.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["FrozenClock"]


class FrozenClock:
    """A clock that a test moves by hand; pass it as `BrokerSettings(clock=…)`."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """The moment it was last set to."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
