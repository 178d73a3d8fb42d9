"""A platform that keeps state like a real one, and a runner for it whose calls fail when they are told to.

It stands for the far end: what it starts are not processes but entries, whose agents the test plays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from buildd.errors import BuilddError, Unreachable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation, Runner
from buildd.routing import AccountType

NAME = "scripted"


class Killed(BaseException):
    """The dispatcher's process dies here."""


class When(StrEnum):
    """Where in a call something happens: before its effect, between effect and answer, or after it."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass
class Fault:
    """What befalls the next call of a method."""

    method: str
    when: When
    error: BaseException | None = None
    """None: no answer comes at all."""


@dataclass
class Machine:
    """Something that was started."""

    order: LaunchOrder
    """The first one; what its agent knows."""
    state: LaunchState = LaunchState.RUNNING
    exit_code: int | None = None
    grace: float | None = None
    """How it was last asked to end."""


@dataclass
class Platform:
    """What all runners of this platform see."""

    machines: dict[str, Machine] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Method and order, in the order of the calls."""
    faults: deque[Fault] = field(default_factory=deque)
    says: str = ""
    """What `observe` tells of everything; empty for how it is."""
    blind: bool = False
    """Whether `observe` can see nothing."""
    starts_as: LaunchState = LaunchState.RUNNING
    stubborn: bool = False
    """Whether what is asked to end goes on."""
    extended: list[float] = field(default_factory=list)
    broken: BuilddError | None = None
    """What `check` finds."""
    realm: str | None = None
    luck: Callable[[str, str], Fault | None] = lambda _method, _order: None
    """Chooses what befalls a call for which there is no other fault."""
    meanwhile: Callable[[], None] = lambda: None
    """What happens between the effect of `ensure` and its answer."""

    def make(self, _name: str, _config: Mapping[str, Any]) -> Runner:
        return ScriptedRunner(self)

    def alive(self) -> list[str]:
        over = (LaunchState.EXITED, LaunchState.GONE)
        return [name for name, each in self.machines.items() if each.state not in over]

    def end(self, order_id: str, exit_code: int = 0) -> None:
        self.machines[order_id].state = LaunchState.EXITED
        self.machines[order_id].exit_code = exit_code

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    def fail(self, method: str, when: When, error: BaseException | None = None) -> None:
        self.faults.append(Fault(method, when, error or Unreachable("the line is dead")))

    def hang(self, method: str, when: When) -> None:
        self.faults.append(Fault(method, when))

    def fault(self, method: str, order_id: str) -> Fault | None:
        self.calls.append((method, order_id))
        if self.faults and self.faults[0].method == method:
            return self.faults.popleft()
        return self.luck(method, order_id)


async def _meet(fault: Fault | None, when: When) -> None:
    if fault is None or fault.when is not when:
        return
    if fault.error is not None:
        raise fault.error
    await anyio.sleep_forever()


class ScriptedRunner:
    """One process's way to the platform; all that it knows is there."""

    def __init__(self, platform: Platform) -> None:
        self._far = platform

    @property
    def serves(self) -> frozenset[AccountType]:
        return frozenset({AccountType.USER, AccountType.SERVICE})

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        fault = await self._begin("ensure", order.id)
        if order.id not in self._far.machines:
            self._far.machines[order.id] = Machine(order, self._far.starts_as)
        await anyio.to_thread.run_sync(self._far.meanwhile)
        await self._end(fault)
        return self._ref(order.id)

    async def observe(self, ref: ExternalRef) -> Observation:
        fault = await self._begin("observe", ref.order_id)
        await self._end(fault)
        if self._far.blind:
            return Observation(LaunchState.UNKNOWN, "the platform does not answer")
        machine = self._far.machines.get(ref.order_id)
        if machine is None:
            return Observation(LaunchState.GONE)
        said = self._far.says or f"it is {machine.state.value}"
        return Observation(machine.state, said, machine.exit_code)

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        fault = await self._begin("stop", ref.order_id)
        machine = self._far.machines.get(ref.order_id)
        if machine is not None:
            machine.grace = grace
            if not self._far.stubborn or grace == 0:
                machine.state = LaunchState.EXITED
        await self._end(fault)

    async def list_owned(self) -> list[ExternalRef]:
        """As a runner does that keeps the logs of what has ended."""
        fault = await self._begin("list_owned", "")
        await self._end(fault)
        return [self._ref(each) for each in self._far.machines]

    async def forget(self, ref: ExternalRef) -> None:
        del self._far.machines[ref.order_id]

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        fault = await self._begin("extend", ref.order_id)
        self._far.extended.append(seconds)
        await self._end(fault)

    async def check(self) -> None:
        await self._begin("check", "")
        if self._far.broken:
            raise self._far.broken

    async def _begin(self, method: str, order_id: str) -> Fault | None:
        fault = self._far.fault(method, order_id)
        await _meet(fault, When.BEFORE)
        return fault

    async def _end(self, fault: Fault | None) -> None:
        await _meet(fault, When.DURING)
        await anyio.lowlevel.checkpoint()
        await _meet(fault, When.AFTER)

    def _ref(self, order_id: str) -> ExternalRef:
        return ExternalRef(
            NAME, order_id, f"machine-{order_id}", f"http://far/{order_id}", self._far.realm
        )
