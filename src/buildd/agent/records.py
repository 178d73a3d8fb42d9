"""What the server knows of the attempts that left something on this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from buildd.agent.inspection import ATTEMPT_BRANCH, LeftoverState, Obstacle
from buildd.client import AsyncClient
from buildd.errors import BuilddError, NotFound
from buildd.models import Worker
from buildd.states import ENDED

R = TypeVar("R")


class Records:
    """What the server knows of attempts. A server that cannot answer is not asked again."""

    def __init__(self, client: AsyncClient) -> None:
        self._workers = client.workers
        self._workspaces = client.workspaces
        self.problem: BuilddError | None = None
        """Why it cannot answer."""

    async def attempt(self, worker_id: str | None, branch: str | None) -> Worker | None:
        """The attempt of that id or with that branch; None if the server does not know or answer."""
        if worker_id is not None:
            return await self._ask(lambda: self._workers.get(id=worker_id))
        named = ATTEMPT_BRANCH.fullmatch(branch or "")
        if named is None:
            return None
        task_id = named[1]
        attempts = await self._ask(lambda: self._workers.list(task_id=task_id, limit=200)) or []
        return next((each for each in attempts if each.branch == branch), None)

    async def checkouts(self) -> set[Path]:
        """Where workspaces have a checkout on this machine, perhaps without a worktree now."""
        known = await self._ask(lambda: self._workspaces.list(limit=200)) or []
        return {path for each in known if each.local_path for path in _directory(each.local_path)}

    async def _ask(self, call: Callable[[], Awaitable[R]]) -> R | None:
        if self.problem is not None:
            return None
        try:
            return await call()
        except NotFound:
            return None
        except BuilddError as problem:
            self.problem = problem
            return None

    def obstacle(self, worker: Worker | None) -> Obstacle | None:
        """Why what this attempt left must stay, as far as the server knows."""
        if worker is None and self.problem is not None:
            return Obstacle(
                LeftoverState.UNKNOWN, "the server cannot tell whether its attempt has ended"
            )
        if worker is None:
            return Obstacle(LeftoverState.UNKNOWN, "this server does not know its attempt")
        if worker.status not in ENDED:
            return Obstacle(LeftoverState.OPEN, f"its attempt is {worker.status.value}")
        return None


def _directory(local_path: str) -> list[Path]:
    path = Path(local_path)
    return [path.resolve()] if path.is_absolute() and path.is_dir() else []
