"""A Hypothesis machine that does anything to a broker in any order, and tells the model the same.

Every request that was ever made may be made again, by the same caller; every lease token that was
ever issued may be used again, on any worker. After each step the database is compared with the model.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.model.decisions import Owners
from tests.model.lives import Lives
from tests.model.players import Agents, People

RESTARTS = 4
"""In one life of a database; each costs as much as many steps."""


class Machine(Owners, People, Agents, Lives):
    """All the rules, and what time does."""

    @rule(steps=st.integers(1, 8))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self._advance(15)
            self.sweep()

    @rule(seconds=st.sampled_from([1, 30, 100, 1000, 13 * 3600]))
    def nobody_looks(self, seconds: int) -> None:
        self._advance(seconds)

    @precondition(lambda self: any(task.changed for task in self.world.tasks.values()))
    @rule(days=st.sampled_from([1, 2, 2, 3]))
    def days_pass(self, days: int) -> None:
        """Until what is over has been kept for long enough."""
        self._advance(days * 24 * 3600)
        self.sweep()

    @rule()
    def sweep(self) -> None:
        known = len(self.world.tasks)
        assert self.broker.reaper.sweep() == self.world.sweep()
        self.seen["forgotten: task"] += known - len(self.world.tasks)
        self._see_schedules()

    @precondition(lambda self: self.restarts < RESTARTS)
    @rule()
    def restart(self) -> None:
        self.restarts += 1
        self.books.check_feed(self.broker)
        self.broker.close()
        self._open_broker()

    @invariant()
    def the_books_agree(self) -> None:
        self.books.check(self.broker)
