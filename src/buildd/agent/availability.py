"""When an agent may work: a person's own machine works while the person does not.

Hours are times on the wall clock, in the machine's time zone. They are looked at again every few
seconds instead of being slept through, because a laptop that wakes up does not know how long it
slept, and may be in another time zone or on battery.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import anyio

from buildd.errors import ConfigError

log = logging.getLogger(__name__)

Availability = Callable[[datetime], str | None]
"""Asked with the present moment: None while the agent may work, else until when it does not, in
words that go on after "idle", such as "until Mon 19:00"."""

LOOK_SECONDS = 5.0
"""How often an agent looks whether it may work."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = 24 * 60
_WEEK = 7 * _DAY
_TIME = re.compile(r"(\d{1,2}):([0-5]\d)", re.ASCII)
_DASH = re.compile(r"\s*[-\N{EN DASH}]\s*")


class Span(NamedTuple):
    """A time of the week in minutes; it begins on `start`, counted from Monday 00:00."""

    start: int
    length: int


@dataclass(frozen=True)
class Hours:
    """The hours of the week in which an agent works, on the machine's own clock."""

    spans: tuple[Span, ...]

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read hours such as "Mon-Fri 19:00-08:00, Sat, Sun".

        Days without hours are whole days, hours without days are daily, and hours that end before
        they begin end on the next day. Raises `ConfigError`, which names the part that is wrong.
        """
        return cls(tuple(span for part in text.split(",") for span in _spans(part)))

    def __call__(self, now: datetime) -> str | None:
        """None within the hours, else until when they do not begin."""
        time.tzset()  # The machine may have travelled since.
        local = now.astimezone()
        minute = local.weekday() * _DAY + local.hour * 60 + local.minute
        if any((minute - start) % _WEEK < length for start, length in self.spans):
            return None
        start = min(self.spans, key=lambda span: (span.start - minute) % _WEEK).start
        day, minute = divmod(start, _DAY)
        return f"until {_DAYS[day]} {minute // 60:02}:{minute % 60:02}"


def on_power(_: datetime) -> str | None:
    """None while the machine is not on battery; one that has none never is."""
    import psutil

    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError):  # This system knows nothing of batteries.
        return None
    if battery is None or battery.power_plugged is not False:
        return None
    return "until it is on power again"


def both(one: Availability, other: Availability) -> Availability:
    """Available while both are."""
    return lambda now: one(now) or other(now)


class Gate:
    """Whether the agent may work now; open where nothing is said about it."""

    def __init__(self, availability: Availability | None) -> None:
        self._availability = availability
        self._why: str | None = None
        self._changed = anyio.Event()
        self._passing = anyio.CancelScope()

    async def watch(self) -> None:
        """Look again, for ever."""
        while self._availability is not None:
            self.look()
            await anyio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Look now; what changes is logged."""
        why = self._availability(datetime.now(UTC)) if self._availability else None
        if why == self._why:
            return
        self._why = why
        log.info("idle %s", why) if why else log.info("no longer idle")
        if why:
            self._passing.cancel()
        self._changed.set()
        self._changed = anyio.Event()

    async def opened(self) -> None:
        """Return as soon as the agent may work."""
        while self._why is not None:
            await self._changed.wait()

    async def closed(self) -> None:
        """Return as soon as the agent may not work."""
        while self._why is None:
            await self._changed.wait()

    def passage(self) -> anyio.CancelScope:
        """A block to be left as soon as the agent may not work any more; one at a time."""
        self._passing = anyio.CancelScope()
        return self._passing


def _spans(part: str) -> Iterator[Span]:
    words = _DASH.sub("-", part.strip()).split()
    if not words:
        raise ConfigError("there are hours missing before or after a comma")
    *days, last = words
    if last[0].isdigit():
        start, end = _hours(last)
    else:
        days, (start, end) = words, (0, _DAY)
    if len(days) > 1:
        raise ConfigError(
            f"{part.strip()!r} needs commas, or is not of the form Mon-Fri 19:00-08:00"
        )
    for day in _days(days[0]) if days else range(7):
        yield Span(day * _DAY + start, end - start if end > start else end - start + _DAY)


def _days(word: str) -> list[int]:
    first, dash, last = word.partition("-")
    start = _day(first, word)
    count = (_day(last, word) - start) % 7 if dash else 0
    return [(start + each) % 7 for each in range(count + 1)]


def _day(word: str, whole: str) -> int:
    if word.title() not in _DAYS:
        inside = "" if word == whole else f" in {whole!r}"
        raise ConfigError(f"{word!r}{inside} is not a day: they are {', '.join(_DAYS)}")
    return _DAYS.index(word.title())


def _hours(word: str) -> tuple[int, int]:
    first, dash, last = word.partition("-")
    if not dash:
        raise ConfigError(f"{word!r} is not hours: write them as 19:00-08:00")
    start, end = _minute(first, word), _minute(last, word)
    if start in (end, _DAY):
        raise ConfigError(f"{word!r} has no hours in it; without hours a day is whole")
    return start, end


def _minute(word: str, whole: str) -> int:
    found = _TIME.fullmatch(word)
    minute = int(found[1]) * 60 + int(found[2]) if found else _WEEK
    if minute > _DAY:
        inside = "" if word == whole else f" in {whole!r}"
        raise ConfigError(f"{word!r}{inside} is not a time: write hours as 19:00-08:00")
    return minute
