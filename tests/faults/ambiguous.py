"""Faults after which nobody can say whether a thing was done: done and then failed, or failed and not done.

In the store they strike a statement or a COMMIT, as a lost connection does; in front of the client
they lose the request, or its answer, or deliver it twice. Which call they strike is chance, by a seed.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Generator
from typing import TypeVar

import psycopg

from buildd.client._transport import Transport
from buildd.errors import OutcomeUnknown
from buildd.events import Event, Filter
from buildd.operations import Operation
from tests.faults.seam import Step

R = TypeVar("R")

RATE = 0.05
_LONGEST = 30


class StoreFaults:
    """Strikes one transaction in twenty, somewhere; `at_commit` says whether COMMIT is spared."""

    def __init__(self, seed: int, *, postgres: bool, at_commit: bool) -> None:
        self.struck: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._postgres = postgres
        self._at_commit = at_commit
        self._left: int | None = None

    def __call__(self, text: str, step: Step) -> object:
        """Run a statement, unless this is where it strikes."""
        if text.startswith("BEGIN"):
            strikes = self._chance.random() < RATE
            self._left = self._chance.randint(0, _LONGEST) if strikes else None
        if self._left is None or text == "ROLLBACK":
            return step()
        here = self._left == 0 or (text == "COMMIT" and self._at_commit)
        self._left -= 1
        if not here or (text == "COMMIT" and not self._at_commit):
            return step()
        self._left = None
        done = self._chance.random() < 0.5
        if done:
            step()
        self.struck[
            f"{'COMMIT' if text == 'COMMIT' else 'statement'} {'' if done else 'not '}done"
        ] += 1
        raise self.lost()

    def lost(self) -> Exception:
        """What the driver raises when a connection, or the disk, is gone."""
        if self._postgres:
            return psycopg.OperationalError("the connection was lost")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        return error


class NetworkFaults:
    """What one client's network does, whatever the credential."""

    def __init__(self, seed: int) -> None:
        self.struck: Counter[str] = Counter()
        self.chance = random.Random(seed)

    def choose(self) -> str | None:
        """One call in twenty loses its request, one its answer, one is delivered twice."""
        drawn = self.chance.random()
        for number, kind in enumerate(("request lost", "answer lost", "sent twice"), start=1):
            if drawn < number * RATE:
                self.struck[kind] += 1
                return kind
        return None


class FaultyTransport:
    """A real transport behind such a network."""

    def __init__(self, transport: Transport, faults: NetworkFaults) -> None:
        self._transport = transport
        self._faults = faults

    def send(self, operation: Operation[R]) -> R:
        """Have one operation done, perhaps."""
        kind = self._faults.choose()
        if kind == "request lost":
            raise OutcomeUnknown("no answer came in time")
        answer = self._transport.send(operation)
        if kind == "sent twice":
            return self._transport.send(operation)
        if kind == "answer lost":
            raise OutcomeUnknown("no answer came in time")
        return answer

    def events(self, after: int | None, wanted: Filter) -> Generator[Event, None, None]:
        """Events, without faults."""
        return self._transport.events(after, wanted)

    def with_key(self, key: str) -> FaultyTransport:
        """The same network with another credential."""
        return FaultyTransport(self._transport.with_key(key), self._faults)

    def close(self) -> None:
        """Let go of the real one."""
        self._transport.close()
