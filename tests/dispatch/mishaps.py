"""Faults in the calls of a runner that is otherwise real: before a call, in the middle of it, after it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from buildd.errors import OutcomeUnknown, Unreachable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation, Runner
from buildd.routing import AccountType
from tests.dispatch.platform import When

T = TypeVar("T")


class Mishaps:
    """Each call of each order fails in every way, in an order that the seed chooses, before it works."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._left: dict[tuple[str, str], list[When]] = {}
        self.met: Counter[tuple[str, str]] = Counter()
        """How often each method failed in which way."""

    def next(self, method: str, order_id: str) -> When | None:
        """What befalls this call."""
        left = self._left.get((method, order_id))
        if left is None:
            left = self._left[method, order_id] = self._random.sample(list(When), len(When))
        if not left:
            return None
        when = left.pop()
        self.met[method, when.value] += 1
        return when

    def moment(self) -> float:
        """Seconds after which a call is broken off."""
        return self._random.uniform(0, 0.05)


class Unlucky:
    """A runner to which mishaps befall."""

    def __init__(self, runner: Runner, mishaps: Mishaps) -> None:
        self._runner = runner
        self._mishaps = mishaps

    @property
    def serves(self) -> frozenset[AccountType]:
        return self._runner.serves

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        return await self._call("ensure", order.id, lambda: self._runner.ensure(order))

    async def observe(self, ref: ExternalRef) -> Observation:
        try:
            return await self._call("observe", ref.order_id, lambda: self._runner.observe(ref))
        except Unreachable:
            return Observation(LaunchState.UNKNOWN, "nothing answers")

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        await self._call("stop", ref.order_id, lambda: self._runner.stop(ref, grace))

    async def list_owned(self) -> list[ExternalRef]:
        return await self._call("list_owned", "", self._runner.list_owned)

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        await self._runner.extend(ref, seconds)

    async def check(self) -> None:
        await self._runner.check()

    async def _call(self, method: str, order_id: str, work: Callable[[], Awaitable[T]]) -> T:
        when = self._mishaps.next(method, order_id)
        if when is When.BEFORE:
            raise Unreachable("the line was dead")
        if when is When.DURING:
            with anyio.move_on_after(self._mishaps.moment()):
                await work()
            raise OutcomeUnknown("the line broke")
        answer = await work()
        if when is When.AFTER:
            raise OutcomeUnknown("the answer was lost")
        return answer
