"""The keeper of one lease: renews it, reports totals, and brings back orders and messages.

When renewing fails for too long the agent must assume that somebody else may soon hold the task.
It goes on thinking, because an attempt may have cost real money and the server may only have
restarted, but it causes no side effect (`confirm`) before the server has answered again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import ValidationError

from buildd.agent.retry import Backoff, persist
from buildd.client import AsyncClient
from buildd.clock import elapsed
from buildd.errors import (
    BuilddError,
    Forbidden,
    LeaseLost,
    NotAuthenticated,
    NotFound,
    Unreachable,
    WrongState,
)
from buildd.jitter import between
from buildd.lease import JITTER, LeaseTimes
from buildd.models import Beat, Message, Order, Role
from buildd.operations import Heartbeat
from buildd.wire import invalid

log = logging.getLogger(__name__)

_GAP = 0.5
"""Seconds between two heartbeats at least, however much there is to tell."""

_WATCH = 20.0
_OFTEN = 2.0
"""Seconds between heartbeats after an outage, for as long as the event stream may not stand again:
until it does, nothing else brings orders."""

OVER = (LeaseLost, NotAuthenticated, NotFound, Forbidden)
"""The answers that mean: this attempt is not yours any more."""


@dataclass(frozen=True)
class Listener:
    """Who is told what the server says."""

    ordered: Callable[[Order], None]
    told: Callable[[Message], None]
    lost: Callable[[str], None]


class LeaseKeeper:
    """Keeps the lease of one worker until it is cancelled or the lease is lost."""

    def __init__(
        self, client: AsyncClient, worker_id: str, heartbeat: float, listener: Listener
    ) -> None:
        self._client = client
        self._worker_id = worker_id
        self._heartbeat = heartbeat
        self._listener = listener
        self._totals: dict[str, Any] = {}
        self._unheard = False
        self._beginning = False
        self.messages_after: str | None = None
        """The last message that the attempt knows."""
        self._renewed = elapsed()
        self._turn = anyio.Lock()
        self._bell = anyio.Event()

    @property
    def totals(self) -> Mapping[str, Any]:
        """What was reported last of each total."""
        return self._totals

    @property
    def fenced(self) -> bool:
        """Whether the last renewal is so long ago that the task may soon be somebody else's."""
        return elapsed() - self._renewed > _times(self._heartbeat).fence

    async def keep(self) -> None:
        """Renew, for ever; returns when the lease is lost."""
        backoff, warned, watch = Backoff(), False, 0.0
        while True:
            try:
                await self.beat()
            except OVER as problem:
                self._listener.lost(reason_of(problem))
                return
            except BuilddError as problem:
                wait = min(backoff.next(problem), self._heartbeat)
                watch = elapsed() + _WATCH
                if self.fenced and not warned:
                    log.warning(
                        "%s: no heartbeat gets through, holding: %s", self._worker_id, problem
                    )
                    warned = True
            else:
                backoff.reset()
                warned = False
                wait = self._heartbeat * between(1 - JITTER, 1 + JITTER)
                wait = min(wait, _OFTEN) if elapsed() < watch else wait
            await self._wait(wait)

    async def _wait(self, seconds: float) -> None:
        await anyio.sleep(min(_GAP, seconds))
        with anyio.move_on_after(max(seconds - _GAP, 0)):
            await self._bell.wait()
        self._bell = anyio.Event()

    def ring(self) -> None:
        """Something happened: do not wait for the next heartbeat's time."""
        self._bell.set()

    def report(self, **totals: Any) -> None:
        """Take new totals of the attempt; they travel soon. Raises `Invalid` for what is none."""
        try:
            Heartbeat(id=self._worker_id, **totals)
        except ValidationError as problem:
            raise invalid(problem) from None
        self._totals.update(totals)
        self._unheard = True
        self.ring()

    async def begin(self) -> None:
        """Tell the server that the work itself begins, and wait until it knows."""
        self._beginning = True
        await self.confirm()

    async def confirm(self) -> None:
        """Return once the server has just confirmed the lease; raises one of `OVER` if not."""
        await confirm(self.beat)

    async def settle(self) -> None:
        """Report totals that were not reported yet; a lost lease still books their cost."""
        if self._unheard:
            try:
                await persist(self.beat)
            except BuilddError as problem:
                log.debug("%s: the last totals were not taken: %s", self._worker_id, problem)

    @property
    def unheard(self) -> dict[str, Any]:
        """The totals that the server has not heard yet."""
        return dict(self._totals) if self._unheard else {}

    async def beat(self) -> Beat:
        """One heartbeat. Raises what the server refused it with, or `Unavailable`."""
        async with self._turn:
            # The lease counts from before the request: the answer may have been long on its way.
            asked = elapsed()
            known, self._unheard = dict(self._totals), False
            try:
                answer = await self._send(known)
            except BaseException:
                self._unheard = self._unheard or bool(known)
                raise
            self._renewed = asked
            self._heartbeat = answer.lease.heartbeat_seconds
            self._deliver(answer)
            return answer

    async def _send(self, known: dict[str, Any]) -> Beat:
        if self.messages_after is not None:
            known["messages_after"] = self.messages_after
        try:
            with anyio.fail_after(max(self._heartbeat, 1.0)):
                if self._beginning:
                    return await self._begin(known)
                return await self._client.workers.heartbeat(id=self._worker_id, **known)
        except TimeoutError:
            raise Unreachable("the server did not answer a heartbeat in time") from None

    async def _begin(self, known: dict[str, Any]) -> Beat:
        try:
            answer = await self._client.workers.heartbeat(
                id=self._worker_id, status="running", **known
            )
        except WrongState:
            # An earlier answer was lost on its way: it is running already.
            answer = await self._client.workers.heartbeat(id=self._worker_id, **known)
        self._beginning = False
        return answer

    def _deliver(self, answer: Beat) -> None:
        for message in answer.messages:
            self.messages_after = message.id
            if message.role is Role.USER:
                self._listener.told(message)
        for order in answer.orders:
            self._listener.ordered(order)


async def confirm(beat: Callable[[], Awaitable[Beat]]) -> None:
    """Return once the server has just confirmed a lease; raises one of `OVER` if it did not.

    Not on an answer that was read late, because this process or its machine slept meanwhile.
    """
    while True:
        answer, asked = await persist(lambda: _timed(beat))
        if Order.CANCEL in answer.orders:
            raise LeaseLost("this attempt is over: cancelled", reason="cancelled")
        if elapsed() - asked < _times(answer.lease.heartbeat_seconds).fence:
            return


async def _timed(beat: Callable[[], Awaitable[Beat]]) -> tuple[Beat, float]:
    asked = elapsed()
    return await beat(), asked


def _times(heartbeat: float) -> LeaseTimes:
    return LeaseTimes(ttl=max(heartbeat * 3, 1.0))


def reason_of(problem: BuilddError) -> str:
    """Why an attempt is over: a code if the server gave one, else what it said."""
    return str(problem.details.get("reason") or problem.message)
