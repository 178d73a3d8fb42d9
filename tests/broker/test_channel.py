"""A channel by itself: what is kept in it, who is roused, and who has missed something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from buildd.broker import PrincipalKind
from buildd.broker import channel as channels
from buildd.broker.audience import Sight
from buildd.broker.channel import Channel, Notice, Terms
from buildd.events import Event, EventType, Filter
from tests.broker.hearing import shrink
from tests.broker.test_feed import CREATED


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def notice(seq: int, kind: EventType = EventType.TASK_CREATED, **fields: Any) -> Notice:
    return Notice(Event(seq=seq, type=kind, at=datetime.now(UTC), **fields), b"{}")


@dataclass(eq=False)
class Somebody:
    """A place that counts how often it was roused."""

    position: int
    roused: int = 0

    def rouse(self) -> None:
        self.roused += 1


def test_a_place_is_roused_once_until_it_waits_again() -> None:
    channel = Channel(Terms(CREATED, Sight(PrincipalKind.ADMIN)), 0)
    place = Somebody(0)
    channel.enter(place)
    channel.wait(place)
    for seq in range(1, 4):
        channel.hear([notice(seq)], seq)
    assert place.roused == 1
    assert [each.event.seq for each in channel.take(place)] == [1, 2, 3]
    channel.hear([notice(4)], 4)
    channel.wait(place)  # something has come in between
    assert place.roused == 2


def test_much_is_taken_in_pieces() -> None:
    channel = Channel(Terms(Filter(), Sight(PrincipalKind.ADMIN)), 0)
    place = Somebody(0)
    channel.enter(place)
    channel.hear([notice(seq) for seq in range(1, 9)], 8)
    assert [each.event.seq for each in channel.take(place)] == [1, 2, 3, 4, 5, 6]
    channel.wait(place)
    assert (place.roused, place.position) == (1, 6)
    assert [each.event.seq for each in channel.take(place)] == [7, 8]
    assert not channel.take(place)


def test_what_is_kept_is_bounded_and_only_who_takes_nothing_misses_it() -> None:
    channel = Channel(Terms(CREATED, Sight(PrincipalKind.ADMIN)), 0)
    waits, sleeps = Somebody(0), Somebody(0)
    for each in (waits, sleeps):
        channel.enter(each)
    channel.wait(waits)
    for seq in range(1, 100):
        channel.hear([notice(seq, EventType.TASK_UPDATED)], seq)
    assert not channel.lacks(waits)
    assert channel.lacks(sleeps)
    channel.leave(waits)
    assert waits.position == 99
    for seq in range(100, 200):
        channel.hear([notice(seq)], seq)
        assert len(channel._kept) <= 2 * channels.KEEP
