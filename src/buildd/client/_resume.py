"""How a reader of the feed goes on after a cut, without I/O: where it stands, how long it waits."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from buildd.errors import BuilddError
from buildd.events import Event, Filter
from buildd.jitter import between

SEQ_HEADER = "X-Buildd-Seq"
"""Where the feed stood when the server began to listen, so that a cut before the first event loses
none."""


class Cursor:
    """Where a reader stands: the last `seq` it knows, and what it wants to see."""

    def __init__(self, after: int | None, wanted: Filter) -> None:
        self.position = after
        self._wanted = wanted
        self._resuming = False

    def query(self) -> dict[str, str]:
        """The query of the request for events."""
        fields = self._wanted.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"types"}
        )
        if self._wanted.types is not None:
            fields["types"] = ",".join(sorted(self._wanted.types))
        if self.position is not None and not self._resuming:
            fields["after"] = str(self.position)
        return fields

    def headers(self) -> dict[str, str]:
        """The headers of the request: where to go on, once a stream was open."""
        if self.position is None or not self._resuming:
            return {}
        return {"Last-Event-ID": str(self.position)}

    def opened(self, seq: str | None) -> None:
        """Note that a stream is open, and where it begins if the server says so."""
        self._resuming = True
        if self.position is None and seq is not None and seq.isdecimal():
            self.position = int(seq)

    def read(self, seq: str, data: str) -> Event | None:
        """The event in a frame, or None if only a newer client would understand it.

        Raises `pydantic.ValidationError` if it is not an event at all.
        """
        try:
            event = Event.model_validate_json(data)
        except ValidationError as problem:
            if any(each["loc"] != ("type",) for each in problem.errors()):
                raise
            self.position = int(seq) if seq.isdecimal() else self.position
            return None
        self.position = event.seq
        return event


def pauses(first: float, longest: float) -> Iterator[float]:
    """Seconds to wait before each next try: doubling, and spread so that no fleet acts as one."""
    ceiling = first
    while True:
        yield between(ceiling / 2, ceiling)
        ceiling = min(2 * ceiling, longest)


def given_pause(header: str | None) -> dict[str, int]:
    """What a `Retry-After` adds to an error; nothing where it is missing, or is a date."""
    return {"retryAfter": int(header)} if header and header.isdecimal() else {}


def asked_pause(problem: BuilddError) -> float:
    """The seconds that whoever refused something asks to wait."""
    return float(problem.details.get("retryAfter", 0))
