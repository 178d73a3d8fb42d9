"""When a key was last used: noted as requests come, written down later and seldom, lost without harm."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from buildd.clock import elapsed
from buildd.store.sql import accounts as sql

if TYPE_CHECKING:
    from buildd.store import Store, Transaction

_PAUSE_SECONDS = 60.0
_AT_ONCE = 500
"""Keys in one transaction, so that no claim waits long for it."""


class LastUsed:
    """The keys that were used here since it was written down. Each is written once a minute at most.

    Other servers' writing counts too: the moment in the row is the latest, within a minute or so.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used: set[str] = set()
        self._written: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, key_id: str | None) -> None:
        """A key was used. Costs no more than this."""
        if key_id is not None:
            with self._lock:
                self._used.add(key_id)

    def write(self) -> int:
        """Write down what is due, and tell how many rows changed. Raises `Unavailable`."""
        due = self._take(elapsed())
        return self._store.write(lambda tx: _write(tx, due)).result() if due else 0

    def _take(self, now: float) -> list[str]:
        self._written = {
            key: then for key, then in self._written.items() if now - then < _PAUSE_SECONDS
        }
        with self._lock:
            due = [key for key in self._used if key not in self._written][:_AT_ONCE]
            self._used.difference_update(due)
        self._written.update(dict.fromkeys(due, now))
        return due


def _write(tx: Transaction, keys: list[str]) -> int:
    before = tx.now - timedelta(seconds=_PAUSE_SECONDS)
    return sum(tx.touch(sql.KEY_USED, of=key, now=tx.now, before=before) for key in sorted(keys))
