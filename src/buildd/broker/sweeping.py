"""Bytes go when nothing refers to them any more: first the row that knows where they are, then they.

An upload that comes meanwhile waits for that row or makes a new one, with a place of its own. What a
crash has left, which no row knows, goes a day later.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial

from buildd.blobs import Blobs
from buildd.clock import elapsed
from buildd.store import Store, Transaction
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import blobs as sql

_PAUSE = 60.0
"""Seconds between two looks for what nothing refers to any more."""
_ROUNDS = 10
_LAST_SEARCH = "blobs_swept_at"
_SEARCH = timedelta(days=1)
"""How often what was left over is searched for, and how old it must be."""

log = logging.getLogger("buildd.files")


class Sweeper:
    """Removes bytes that nothing refers to. It may run in any number of brokers at once."""

    def __init__(self, store: Store, blobs: Blobs | None) -> None:
        self._store = store
        self._blobs = blobs
        self._next = elapsed()

    def tidy(self) -> None:
        """Sweep, if it is a while since the last time."""
        if self._blobs is None or elapsed() < self._next:
            return
        self._next = elapsed() + _PAUSE
        self.sweep(self._blobs)
        if self._store.write(_turn).result():
            self.search(self._blobs)

    def sweep(self, blobs: Blobs) -> None:
        """Remove what nothing refers to any more."""
        found = self._store.read(lambda tx: tx.first(sql.UNWANTED_BLOB)).result()
        for _ in range(_ROUNDS if found else 0):
            places = self._store.write(_forget).result()
            for place in places:
                blobs.remove(place)
            if len(places) < sql.COLLECT_AT_ONCE:
                return

    def search(self, blobs: Blobs) -> None:
        """Remove what no row knows of although it has been there for long."""
        for place in blobs.older_than(_SEARCH.total_seconds()):
            if not self._store.read(partial(_is_known, place)).result():
                log.info("removed %s, which a crash had left", place)
                blobs.remove(place)


def _forget(tx: Transaction) -> list[str]:
    """Forget blobs that nothing refers to; the places that are to be emptied after the commit."""
    gone = [tx.first(sql.FORGET_BLOB, of=row.digest) for row in tx.all(sql.UNWANTED_BLOBS)]
    return [row.place for row in gone if row is not None]


def _is_known(place: str, tx: Transaction) -> bool:
    return tx.first(sql.BLOB_AT, place=place) is not None


def _turn(tx: Transaction) -> bool:
    """Whether it is this broker's turn to search."""
    row, now = tx.first(sql_accounts.SETTING, name=_LAST_SEARCH), tx.now.isoformat()
    if row is None:
        return tx.touch(sql_accounts.PUT_SETTING_ONCE, name=_LAST_SEARCH, value=now) > 0
    if tx.now - datetime.fromisoformat(row.value) < _SEARCH:
        return False
    won = tx.first(sql_accounts.CHANGE_SETTING, of=_LAST_SEARCH, was=row.value, value=now)
    return won is not None
