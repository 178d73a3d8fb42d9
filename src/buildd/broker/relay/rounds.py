"""Rounds: whatever is to be told now, once. The relay makes them one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from buildd.broker._context import Context
from buildd.broker.relay import outbox, turns
from buildd.broker.relay.pace import RelayPace
from buildd.broker.relay.senders import Answer, Sender
from buildd.errors import BuilddError
from buildd.store import Row, Store, Transaction
from buildd.store.sql import deliveries as sql
from buildd.telling import TargetKind

T = TypeVar("T")

_AT_ONCE = 64
_AT_ONCE_PER_TARGET = 4

log = logging.getLogger("buildd.relay")


class Rounds:
    """Writes down what is to be told, and has it sent in a task group of the caller's."""

    def __init__(
        self,
        store: Store,
        context: Callable[[Transaction], Context],
        senders: Sequence[Sender],
        pace: RelayPace,
    ) -> None:
        self._store = store
        self._context = context
        self._senders = {sender.kind: sender for sender in senders}
        self._pace = pace
        self.idle = False
        """Whether there was nobody to tell anything, when that was last looked at."""
        self._seen = dict.fromkeys(self._senders, 0)
        """Up to this `seq` there was nothing to tell, though the cursor may not say so yet."""
        self._taken: set[str] = set()
        self._limit = anyio.CapacityLimiter(_AT_ONCE)
        self._limits: dict[str, anyio.CapacityLimiter] = {}

    async def go(self, tasks: TaskGroup, again: Callable[[], None] = lambda: None) -> None:
        """Make a round; what it begins goes on in the task group, and asks for another as it ends."""
        self.idle = not any([await self._tell(sender) for sender in self._senders.values()])
        for kind in self._senders:
            due = partial(_due, kind=kind)
            for row in await self._read(due):
                if row.id not in self._taken:
                    self._taken.add(row.id)
                    tasks.start_soon(self._turn, row, again)

    async def _tell(self, sender: Sender) -> bool:
        """Write down what is to be told of what has happened since; whether there is anybody to tell."""
        while page := await self._read(
            partial(outbox.look, sender=sender, seen=self._seen[sender.kind])
        ):
            if not page.is_worth_writing:
                self._seen[sender.kind] = page.to
                return True
            if not await self._write(partial(outbox.write, page=page)) or not page.more:
                return True
        return False

    async def _turn(self, row: Row, again: Callable[[], None]) -> None:
        limit = self._limits.setdefault(row.target_id, anyio.CapacityLimiter(_AT_ONCE_PER_TARGET))
        try:
            async with limit, self._limit:
                take = self._settling(turns.take, delivery_id=row.id)
                turn = await self._write(take, row.target_id)
                if turn is not None:
                    await self._send(turn)
        except BuilddError as problem:
            log.warning("delivery %s: its turn cannot be written down: %s", row.id, problem)
        finally:
            self._taken.discard(row.id)
            if not (limit.borrowed_tokens or limit.statistics().tasks_waiting):
                self._limits.pop(row.target_id, None)
            again()

    async def _send(self, turn: turns.Turn) -> None:
        try:
            answer = await self._attempt(turn)
        except anyio.get_cancelled_exc_class():
            # Nobody need wait for the turn's end; that it is sent twice was never excluded.
            self._submit(partial(turns.release, turn=turn), turn.delivery.target_id)
            raise
        with anyio.CancelScope(shield=True):  # What was taken is not sent again because we end.
            settle = self._settling(turns.settle, turn=turn, answer=answer)
            await self._write(settle, turn.delivery.target_id)
        if answer.error is not None:
            about = turn.delivery
            log.info("%s to %s %s: %s", about.id, about.kind, about.target_id, answer.error)

    async def _attempt(self, turn: turns.Turn) -> Answer:
        try:
            with anyio.fail_after(self._pace.send):
                return await turn.send()
        except TimeoutError:
            return Answer.later(f"no answer within {self._pace.send:g} s")
        except Exception as fault:  # A sender's fault is no reason to leave the others.
            log.exception("delivery %s: its sender failed", turn.delivery.id)
            return Answer.later(f"the sender failed ({type(fault).__name__})")

    def _settling(self, step: Callable[..., T], **given: object) -> Callable[[Context], T]:
        return partial(step, **given, senders=self._senders, pace=self._pace)

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        return await asyncio.wrap_future(self._store.read(work))

    async def _write(self, work: Callable[[Context], T], order: str = "") -> T:
        return await self._submit(work, order)

    def _submit(self, work: Callable[[Context], T], order: str) -> asyncio.Future[T]:
        # In the order of targets, so that two writers lock theirs in the same one.
        return asyncio.wrap_future(self._store.write(lambda tx: work(self._context(tx)), order))


def _due(tx: Transaction, kind: TargetKind) -> list[Row]:
    return tx.all(sql.DUE, kind=kind.value, now=tx.now)
