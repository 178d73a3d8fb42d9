"""The dispatcher: starts and ends agents, in rounds that are made whenever there is reason to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future

from buildd import operations as ops
from buildd.broker._context import Caller, Context
from buildd.broker.dispatch.acts import Means
from buildd.broker.dispatch.pace import Pace
from buildd.broker.dispatch.rounds import Rounds
from buildd.broker.watch import Watch
from buildd.events import Event, EventType
from buildd.models import Leftover, PoolCheck
from buildd.states import ENDED, TASK
from buildd.store import Store, Transaction

_CHANGES = frozenset(
    {EventType.LAUNCH_UPDATED, EventType.ACCOUNT_UPDATED, EventType.WORKSPACE_UPDATED}
)

log = logging.getLogger("buildd.dispatch")


class Dispatcher:
    """Makes rounds until it is closed; woken by events, and by time."""

    def __init__(
        self,
        store: Store,
        context: Callable[[Transaction], Context],
        means: Means,
        pace: Pace,
    ) -> None:
        self._rounds = Rounds(store, context, means, pace)
        # What a round begins tells of its end by events.
        self._watch = Watch("dispatcher", log, pace.tick, lambda tasks, _: self._rounds.go(tasks))

    def hear(self, event: Event) -> None:
        """An event was committed: look again if it may concern launches. Never blocks."""
        if _concerns(event):
            self._watch.wake()

    def check(self, operation: ops.CheckPool, caller: Caller) -> Future[PoolCheck]:
        """Have a pool checked."""
        return self._watch.submit(self._rounds.check(operation, caller))

    def reap(self, operation: ops.ReapPool, caller: Caller) -> Future[list[Leftover]]:
        """Have what nobody wants on a pool's platform stopped, or listed."""
        return self._watch.submit(self._rounds.reap(operation, caller))

    def close(self) -> None:
        """Cancel the calls that are under way, let others act at once, and end.

        What was started lives on; another dispatcher finds it.
        """
        self._watch.close()


def _concerns(event: Event) -> bool:
    """Whether it may make a launch wanted, or due, or no longer wanted."""
    if event.type in _CHANGES:
        return True
    status = event.data.get("status")
    if event.type is EventType.WORKER_STATUS:
        return status in ENDED
    return event.type is EventType.TASK_CANCELLED or status == TASK.initial
