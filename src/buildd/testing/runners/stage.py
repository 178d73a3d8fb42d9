"""What the tests of a runner share: orders, a key to look for, and waiting for a state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from uuid import uuid4

import anyio
import pytest

from buildd.errors import BuilddError, RateLimited, Unavailable
from buildd.ids import Secret, new_secret
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation, Runner
from buildd.testing.runners.world import World

PATIENCE = 100.0
"""Seconds in which a state must be reached; more than any fake needs, on a busy machine too."""
_POLL = 0.02

TRANSIENT = (Unavailable, RateLimited)
"""What a runner raises when trying again may help; any other `BuilddError` says that it does not."""
OVER = (LaunchState.EXITED, LaunchState.GONE)


class Stage:
    """A world with a runner in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.runner: Runner = world.runner()
        self.key = new_secret(Secret.ACQUIRE)
        self.setting = f"sk-{uuid4().hex}"
        self._prefix = f"lch_{uuid4().hex[:23]}"
        self._numbers = count(1)

    def order(self, *arguments: str) -> LaunchOrder:
        """An order like no other, though from others here its id differs only at the very end."""
        return LaunchOrder(
            id=f"{self._prefix}{next(self._numbers):03}",
            server="http://127.0.0.1:9",
            key=self.key,
            workspace_id="ws_1",
            arguments=arguments,
        )

    async def running(self, order: LaunchOrder | None = None) -> tuple[LaunchOrder, ExternalRef]:
        """An order whose agent is at work."""
        order = order or self.order()
        ref = await self.runner.ensure(order)
        await self.at_work(ref)
        return order, ref

    async def at_work(self, ref: ExternalRef) -> None:
        """Return when its agent runs, and can be counted and asked to end."""
        await self.until(ref, LaunchState.RUNNING)
        self.world.ready(ref.order_id)

    async def until(self, ref: ExternalRef, *states: LaunchState) -> Observation:
        """Observe it until it is in one of the states."""
        seen = None
        with anyio.move_on_after(PATIENCE):
            while True:
                seen = await self.runner.observe(ref)
                if seen.state in states:
                    return seen
                await anyio.sleep(_POLL)
        pytest.fail(f"it never was {' or '.join(states)}; last seen: {seen}")

    def restart(self) -> None:
        """Go on with a new runner, which remembers nothing."""
        self.runner = self.world.runner()

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """While nothing reaches the far end."""
        self.world.cut_off()
        try:
            yield
        finally:
            self.world.reconnect()


def one_line(problem: BuilddError) -> str:
    """What an error tells a person, which must be one line."""
    said = str(problem)
    assert said.strip()
    assert len(said.splitlines()) == 1, said
    return said


class StageSuite:
    """What all parts of the suite need: the author's world, and anyio on asyncio."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The event loop that the server runs on."""
        return "asyncio"

    @pytest.fixture
    def stage(self, world: World) -> Stage:
        """A runner in the author's world."""
        return Stage(world)
