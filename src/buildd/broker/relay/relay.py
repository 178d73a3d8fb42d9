"""The relay: tells others of events, in rounds that are made whenever there is reason to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from buildd.broker._context import Context
from buildd.broker.relay.pace import RelayPace
from buildd.broker.relay.rounds import Rounds
from buildd.broker.relay.senders import Sender
from buildd.broker.watch import Watch
from buildd.events import Event
from buildd.store import Store, Transaction
from buildd.store.sql.deliveries import RELAYED

log = logging.getLogger("buildd.relay")


class Relay:
    """Makes rounds until it is closed; woken by events, and by time."""

    def __init__(
        self,
        store: Store,
        context: Callable[[Transaction], Context],
        senders: Sequence[Sender],
        pace: RelayPace,
    ) -> None:
        self._rounds = Rounds(store, context, senders, pace)
        self._watch = Watch("relay", log, pace.tick, self._rounds.go)

    def hear(self, event: Event) -> None:
        """An event was committed: look again if somebody may be told of it. Never blocks."""
        if event.type in RELAYED and not self._rounds.idle:
            self._watch.wake()

    def close(self) -> None:
        """Break off what is being sent, let others send it at once, and end."""
        self._watch.close()
