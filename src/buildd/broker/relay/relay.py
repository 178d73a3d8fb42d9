"""The relay's thread: an event loop of its own, which looks whenever there is reason to, and sends."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from buildd.broker._context import Context
from buildd.broker.relay import outbox, turns
from buildd.broker.relay.pace import RelayPace
from buildd.broker.relay.senders import Answer, Sender
from buildd.clock import elapsed
from buildd.errors import BuilddError
from buildd.events import Event
from buildd.models import TargetKind
from buildd.store import Row, Store, Transaction
from buildd.store.sql import deliveries as sql

T = TypeVar("T")

_REST = 0.02
"""Seconds between two rounds at least, however many events there are."""
_AT_ONCE = 64
_AT_ONCE_PER_TARGET = 4

log = logging.getLogger("buildd.relay")


class Relay:
    """Writes down what is to be told, and tells it, until it is closed."""

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
        self._seen = 0
        """Up to this `seq` there was nothing to tell, though the cursor may not say so yet."""
        self._taken: set[str] = set()
        self._limits: dict[str, anyio.CapacityLimiter] = {}
        self._loop = asyncio.new_event_loop()
        self._reason = asyncio.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="buildd-relay", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        """An event was committed: look again if somebody may be told of it. Never blocks."""
        if event.type in sql.RELAYED:
            self._call(self._reason.set)

    def close(self) -> None:
        """Break off what is being sent, let others send it at once, and end."""
        self._closed = True
        self._call(self._reason.set)
        self._thread.join()

    def _call(self, what: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # The loop is closed, maybe at this moment: it has ended.
            self._loop.call_soon_threadsafe(what)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self._all = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            while not self._closed:
                self._reason.clear()
                began = elapsed()
                try:
                    await self._round(tasks)
                except BuilddError as error:
                    log.warning("the relay could not look: %s", error)
                await self._pause(elapsed() - began)
            tasks.cancel_scope.cancel()

    async def _pause(self, took: float) -> None:
        await anyio.sleep(max(took, _REST))
        with anyio.move_on_after(self._pace.tick):
            await self._reason.wait()

    async def _round(self, tasks: TaskGroup) -> None:
        while await self._pass():
            pass
        for row in await self._read(lambda tx: tx.all(sql.DUE, now=tx.now)):
            if row.id not in self._taken and TargetKind(row.kind) in self._senders:
                self._taken.add(row.id)
                tasks.start_soon(self._turn, row)

    async def _pass(self) -> bool:
        """Write down what is to be told of the next events; whether there may be more of them."""
        senders = tuple(self._senders.values())
        page = await self._read(partial(outbox.look, senders=senders, seen=self._seen))
        if page is None:
            return False
        if not page.is_worth_writing:
            self._seen = page.to
            return False
        return await self._write(partial(outbox.write, page=page)) and page.more

    async def _turn(self, row: Row) -> None:
        limit = self._limits.setdefault(row.target_id, anyio.CapacityLimiter(_AT_ONCE_PER_TARGET))
        try:
            async with limit, self._all:
                turn = await self._write(self._settling(turns.take, delivery_id=row.id))
                if turn is not None:
                    await self._send(turn)
        except BuilddError as problem:
            log.warning("delivery %s: its turn cannot be written down: %s", row.id, problem)
        finally:
            self._taken.discard(row.id)
            if not limit.borrowed_tokens:
                self._limits.pop(row.target_id, None)
            self._reason.set()

    async def _send(self, turn: turns.Turn) -> None:
        try:
            answer = await self._attempt(turn)
        except anyio.get_cancelled_exc_class():
            # Nobody need wait for the turn's end; that it is sent twice was never excluded.
            self._submit(partial(turns.release, turn=turn))
            raise
        await self._write(self._settling(turns.settle, turn=turn, answer=answer))
        if answer.error is not None:
            log.info(
                "delivery %s to %s %s: %s",
                turn.delivery.id,
                turn.delivery.kind,
                turn.delivery.target_id,
                answer.error,
            )

    async def _attempt(self, turn: turns.Turn) -> Answer:
        try:
            with anyio.fail_after(self._pace.send):
                return await turn.send()
        except TimeoutError:
            return Answer.later(f"no answer within {self._pace.send:.0f} s")
        except Exception as fault:  # A sender's fault is no reason to leave the others.
            log.exception("delivery %s: its sender failed", turn.delivery.id)
            return Answer.later(f"the sender failed ({type(fault).__name__})")

    def _settling(self, step: Callable[..., T], **given: object) -> Callable[[Context], T]:
        return partial(step, **given, senders=self._senders, pace=self._pace)

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        return await asyncio.wrap_future(self._store.read(work))

    async def _write(self, work: Callable[[Context], T]) -> T:
        return await self._submit(work)

    def _submit(self, work: Callable[[Context], T]) -> asyncio.Future[T]:
        return asyncio.wrap_future(self._store.write(lambda tx: work(self._context(tx))))
