"""A chain of hashes over a log, so that whoever changes the log later has to change all that follows.

Each link is sealed with the SHA-256 of its canonical JSON (RFC 8785), in which stands the hash of the
link before. Who keeps the last link's number and hash elsewhere notices any change behind it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from buildd.errors import Invalid


class Head(NamedTuple):
    """The last link of a chain: its number and its hash."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

GENESIS = Head(0, "0" * 64)
"""What the first link follows."""


def head_of(text: str) -> Head:
    """A head as `str` writes it. Raises `Invalid`."""
    seq, _, digest = text.strip().partition(":")
    if not (seq.isascii() and seq.isdecimal()) or len(digest) != len(GENESIS.hash):
        raise Invalid.field("head", "must be SEQ:HASH, as `buildd audit verify` prints it")
    return Head(int(seq), digest.lower())


def seal(fields: Mapping[str, Any]) -> str:
    """The hash of a link: of its fields as canonical JSON, without those that are None.

    They may be strings, whole numbers below 2⁵³ and lists of these; for them this is RFC 8785.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    return hashlib.sha256(_CANONICAL.encode(given).encode()).hexdigest()


def stamp(moment: datetime) -> str:
    """A moment as the API writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Link(Protocol):
    """What a chain consists of."""

    @property
    def seq(self) -> int:
        """Counts from 1, without gaps."""
        ...

    @property
    def previous(self) -> str:
        """The hash of the link before."""
        ...

    @property
    def hash(self) -> str:
        """The hash that it was sealed with."""
        ...

    def sealed(self) -> str:
        """The hash that its content has now."""
        ...


class Break(NamedTuple):
    """Where a chain is broken, and how."""

    seq: int
    how: str


@dataclass(frozen=True)
class Verdict:
    """What became of a chain: how many links there are, the last one, and the first place it is broken at."""

    links: int
    head: Head
    broken: Break | None


def verify(links: Iterable[Link], kept: Head = GENESIS) -> Verdict:
    """Go through a whole chain, given from its newest link to its oldest; holds two of them at a time.

    `kept` is a head that the chain once had: it must still contain that.
    """
    count, head, broken = 0, GENESIS, None
    newer: Link | None = None
    for link in links:
        count += 1
        if newer is None:
            head = Head(link.seq, link.hash)
            broken = _cut_off(head, kept)
        broken = _changed(link, kept) or _parted(link, newer) or broken
        newer = link
    first = _beginning(newer) if newer else _cut_off(head, kept)
    return Verdict(count, head, first or broken)


def _cut_off(head: Head, kept: Head) -> Break | None:
    if head.seq >= kept.seq:
        return None
    return Break(head.seq + 1, f"is missing, and all up to {kept.seq}, which there once was")


def _changed(link: Link, kept: Head) -> Break | None:
    if link.sealed() != link.hash:
        return Break(link.seq, "was changed: its content does not have its hash")
    if link.seq == kept.seq and link.hash != kept.hash:
        return Break(
            link.seq, "is not the one that was kept: it was replaced, maybe with others before"
        )
    return None


def _parted(link: Link, newer: Link | None) -> Break | None:
    if newer is None:
        return None
    if newer.seq != link.seq + 1:
        return Break(link.seq + 1, f"is missing: {newer.seq} comes next")
    if newer.previous != link.hash:
        return Break(newer.seq, f"does not follow {link.seq}: one of them was replaced")
    return None


def _beginning(oldest: Link) -> Break | None:
    if oldest.seq != GENESIS.seq + 1:
        return Break(GENESIS.seq + 1, f"is missing: the first is {oldest.seq}")
    if oldest.previous != GENESIS.hash:
        return Break(oldest.seq, "does not begin the chain: what it follows is gone")
    return None
