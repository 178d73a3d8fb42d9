"""Housekeeping: what is done now and then, and hurries nobody.

It has a thread of its own, because files may be far away: a bucket that does not answer must keep
nobody from looking after the leases.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from buildd.errors import BuilddError

log = logging.getLogger("buildd.housekeeping")


class Housekeeper:
    """Does its chores again and again, with a pause of so many seconds; the trouble of one is no other's."""

    def __init__(self, pause: float, *chores: Callable[[], object]) -> None:
        self._pause = pause
        self._chores = chores
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="buildd-housekeeper", daemon=True)

    def start(self) -> None:
        """Begin with a first round at once."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the present round."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            for chore in self._chores:
                try:
                    chore()
                except BuilddError as error:
                    log.warning("something is left for later: %s", error)
            if self._stop.wait(self._pause):
                return
