"""The times of a lease, all derived from one setting, so that no two of them can ever disagree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from buildd.errors import ConfigError

MOST_SECONDS = 86_400
JITTER = 0.1
"""The share by which an agent spreads its heartbeats, so that a fleet does not beat as one."""


@dataclass(frozen=True)
class LeaseTimes:
    """Durations in seconds, from the time-to-live of a lease.

    Raises `ConfigError` unless two late heartbeats fit before an agent fences itself, and it fences
    itself before the server gives its task to somebody else.
    """

    ttl: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.ttl <= MOST_SECONDS:
            raise ConfigError(f"a lease lives for 1 to {MOST_SECONDS} seconds, not {self.ttl:g}")
        if not 2 * self.heartbeat * (1 + JITTER) < self.fence < self.ttl:
            raise ConfigError("the lease's times contradict each other")

    @property
    def ttl_delta(self) -> timedelta:
        """The time-to-live, to add to a moment."""
        return timedelta(seconds=self.ttl)

    @property
    def heartbeat(self) -> float:
        """How often an agent renews."""
        return self.ttl / 3

    @property
    def fence(self) -> float:
        """How long after its last renewal an agent stops causing side effects."""
        return self.ttl * 5 / 6

    @property
    def reap(self) -> float:
        """How often a server looks for leases that ran out."""
        return self.ttl / 12

    @property
    def pickup(self) -> float:
        """How long a worker that a person resumed waits for an agent to take it up."""
        return self.ttl * 10
