"""What the relay asks of whoever sends: which events, to whom, in which words, and how that went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from buildd.broker._context import Context
from buildd.events import Event
from buildd.states import DeliveryVerb
from buildd.store import Row, Transaction
from buildd.telling import TargetKind


@dataclass(frozen=True)
class Draft:
    """A delivery that is to be made: to one target, in the words that every attempt repeats."""

    target_id: str
    type: str
    event_seq: int | None
    body: str


@dataclass(frozen=True)
class Answer:
    """How one attempt went: taken, to be tried again, or refused for good."""

    verb: DeliveryVerb
    """`DELIVER`, `PUT_OFF` or `FAIL`."""
    status: int | None = None
    """What an HTTP server answered."""
    error: str | None = None
    """Why it was not taken, in a line that people may read."""

    @classmethod
    def later(cls, error: str, status: int | None = None) -> Self:
        """It may be taken another time."""
        return cls(DeliveryVerb.PUT_OFF, status, error)

    @classmethod
    def never(cls, error: str, status: int | None = None) -> Self:
        """It will never be taken."""
        return cls(DeliveryVerb.FAIL, status, error)


Send = Callable[[], Awaitable[Answer]]
"""One attempt, with all that it needs; it touches no database. What it raises counts as `later`."""


class Sender(Protocol):
    """Tells one kind of target. The relay calls it; only what `prepare` gives may use the network."""

    @property
    def kind(self) -> TargetKind:
        """Which deliveries are its own."""
        ...

    def since(self, tx: Transaction) -> int | None:
        """The `seq` after which there may be something for its targets; None if it has no target.

        0 is fine: the relay goes back no further than it has come.
        """
        ...

    def drafts(self, tx: Transaction, events: Sequence[Event]) -> Iterable[Draft]:
        """What is to be told of these events, in order. It only reads, and may be asked twice."""
        ...

    def prepare(self, ctx: Context, delivery: Row) -> Send | None:
        """One attempt at a delivery; None if its target is gone or wants nothing more.

        Raises `NotConfigured` for what no further attempt would mend.
        """
        ...

    def settled(self, ctx: Context, delivery: Row, answer: Answer) -> None:
        """Take note of how it went, with the commit that writes it down."""
        ...
