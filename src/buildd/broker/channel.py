"""What those share who want the same events and may see the same: each event is judged and kept once.

A listener in a channel is no more than a place in it. It waits, and then nothing has come since; or it
was roused, and has yet to take what came.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

from buildd.broker.audience import Sight
from buildd.events import Event, Filter

KEEP = 500
"""So many of the last events are in memory at least, and twice as many at most, in whatever channels."""
MOST_AT_ONCE = 100
"""So many events are taken at a time: more than come between two turns of a stream, and 50 kB."""

_seq = attrgetter("event.seq")


@dataclass(frozen=True, eq=False, slots=True)
class Notice:
    """An event, and the same as JSON, made once for all who listen."""

    event: Event
    json: bytes


class Place(Protocol):
    """Where somebody is in a channel."""

    position: int
    """The `seq` up to which everything was handed out or passed over."""

    def rouse(self) -> None:
        """Say that there is something to take."""


class Terms(NamedTuple):
    """What decides which events a listener hears."""

    wanted: Filter
    sight: Sight

    def admit(self, event: Event) -> bool:
        """Whether it is for whom these are the terms."""
        return self.wanted.admits(event) and self.sight.includes(event)


class Channel:
    """The last events on the same terms. All of it happens under the feed's lock."""

    def __init__(self, terms: Terms, position: int) -> None:
        self.terms = terms
        self.after = position
        """The `seq` after which nothing is missing here."""
        self._position = position
        self._kept: list[Notice] = []
        self._places: set[Place] = set()
        self._waiting: set[Place] = set()

    @property
    def empty(self) -> bool:
        """Whether nobody listens here."""
        return not self._places

    def enter(self, place: Place) -> None:
        """Begin to listen here."""
        self._places.add(place)

    def leave(self, place: Place) -> None:
        """Listen elsewhere, or no more."""
        self._places.remove(place)
        if place in self._waiting:
            self._waiting.remove(place)
            place.position = max(place.position, self._position)

    def hear(self, notices: Sequence[Notice], position: int) -> None:
        """Keep what is for those who listen here, and rouse who waits for it."""
        before, self._position = self._position, position
        new = [notice for notice in notices if self.terms.admit(notice.event)]
        self._kept += new
        if position - self.after > 2 * KEEP:
            self.after = position - KEEP
            del self._kept[: self._index(self.after)]
        if new:
            waiting, self._waiting = self._waiting, set()
            for place in waiting:
                place.position = max(place.position, before)
                place.rouse()

    def lacks(self, place: Place) -> bool:
        """Whether some of what a place has yet to take is in the database only."""
        return place.position < self.after and place not in self._waiting

    def take(self, place: Place) -> list[Notice]:
        """What a place that lacks nothing has yet to take, in pieces if it is much."""
        first = self._index(place.position)
        taken = self._kept[first : first + MOST_AT_ONCE]
        complete = first + MOST_AT_ONCE >= len(self._kept)
        place.position = max(place.position, self._position) if complete else _seq(taken[-1])
        return taken

    def wait(self, place: Place) -> None:
        """Rouse a place that lacks nothing as soon as there is something to take."""
        if self._index(place.position) < len(self._kept):
            place.rouse()
        else:
            self._waiting.add(place)

    def _index(self, position: int) -> int:
        return bisect_right(self._kept, position, key=_seq)
