"""When the dispatcher does things: its limits of time, and how long it waits before it tries again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from buildd.jitter import backoff

_SOON = 0.5
_DOUBLINGS = 12


@dataclass(frozen=True)
class Pace:
    """Seconds, all of them."""

    tick: float = 1.0
    """Between two looks at the database, if no event asks for one sooner."""
    turn: float = 120.0
    """For how long nobody else acts on a launch whose turn was taken."""
    call: float = 100.0
    """What a runner has for one turn; less than the turn, so that no two are under way."""
    grace: float = 30.0
    """What an agent that is stopped has to hand back its work."""
    untaken: float = 2.0
    """What live agents have to take a task before another one is started for it."""
    over: float = 60.0
    """What an agent has to end by itself after its attempt."""
    look: float = 15.0
    """Between two looks at a launch at most; the first ones are closer together."""
    trouble: float = 60.0
    """Between two tries at a platform in trouble at most."""
    sweep: float = 60.0
    """Between two looks for what nobody wants any more."""
    keep: float = 86_400.0
    """For how long what a runner keeps of an agent that has ended, such as its log, is left to it."""
    extend_every: float = 900.0
    extend_by: float = 3600.0
    failing: float = 10.0
    """What a pool waits after a launch that took no work; it doubles with each one in a row."""
    failing_most: float = 900.0

    def next_look(self, calls: int) -> timedelta:
        """The wait before a launch is looked at again, after so many looks that brought nothing new."""
        return timedelta(seconds=min(_SOON * 2 ** min(calls, _DOUBLINGS), self.look))

    @property
    def looks_of_grace(self) -> int:
        """After so many looks an agent that is stopped has had its grace, whoever waits for it."""
        waited, looks = timedelta(), 0
        while waited < timedelta(seconds=self.grace):
            waited += self.next_look(looks)
            looks += 1
        return looks

    def next_try(self, calls: int) -> timedelta:
        """The wait after so many calls that failed, one of which may help."""
        return backoff(2 * _SOON, calls + 1, self.trouble)

    def next_launch(self, failures: int) -> timedelta:
        """The wait of a pool after so many launches in a row that took no work."""
        return backoff(self.failing, failures, self.failing_most)
