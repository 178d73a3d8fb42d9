"""Bringing a workspace to its end, step by step: Coder does one build at a time.

A start that is under way is cancelled first; then the workspace is stopped or deleted, once.
"""

from __future__ import annotations

from contextlib import suppress

import anyio

from buildd.errors import BuilddError, Conflict
from buildd_runners.coder import sight
from buildd_runners.coder.answers import Build
from buildd_runners.coder.client import Calls

_SETTLE = 5.0
"""Seconds that Coder gets besides, so that a quick end is seen by who asked for it."""
_SOON = 0.1
_SELDOM = 2.0


class Ending:
    """One workspace on its way to `stop` or `delete`."""

    def __init__(self, calls: Calls, workspace_id: str, transition: str) -> None:
        self._calls = calls
        self._workspace_id = workspace_id
        self._transition = transition
        self._asked = False
        self.build: Build
        """The latest one that was seen."""

    async def wait(self, grace: float) -> bool:
        """Go on until it has ended or the time is over; False if Coder tried in vain.

        The first step is always made, and raises what hinders it. `NotFound`: it has ended.
        """
        pause = _SOON
        ended = await self._step()
        with anyio.move_on_after(grace + _SETTLE):
            while ended is None:
                await anyio.sleep(pause)
                pause = min(2 * pause, _SELDOM)
                ended = await self._step()
        return ended is not False

    async def _step(self) -> bool | None:
        """Look, and do what comes next; None while it is under way."""
        workspace = await self._calls.workspace(self._workspace_id)
        self.build = workspace.latest_build
        if sight.ended(self.build, self._transition):
            return True
        if self.build.active:
            await self._make_room()
            return None
        if self._asked:
            return False
        # Refused: somebody else has begun a build meanwhile.
        with suppress(Conflict):
            await self._calls.build(workspace, self._transition)
            self._asked = True
        return None

    async def _make_room(self) -> None:
        if self.build.transition != sight.START or self.build.status == "canceling":
            return
        # It may have come to its end by now, or the template may forbid it: then it is waited for.
        with suppress(BuilddError):
            await self._calls.cancel(self.build)
