"""What attempts left on this machine, and the removal of what nobody needs any more.

It fails closed: something goes only when it is certain that buildd made it, that its attempt has
ended at the server, and that nothing in it would be lost. Whatever else is there stays, and is
named with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from anyio import CancelScope, to_thread

from buildd.agent.git import GitFailed
from buildd.agent.inspection import (
    ATTEMPT_BRANCH,
    Checkout,
    LeftoverState,
    Obstacle,
    checkout_at,
    idle_branches,
    is_bare_of_commits,
    remove_branch,
)
from buildd.agent.records import Records
from buildd.agent.scratch import is_taken, take
from buildd.models import Model, Worker

_WORKER = re.compile(r"wkr_[0-9a-z]{26}")


class LeftoverKind(StrEnum):
    """What was left."""

    WORKTREE = "worktree"
    """A git worktree."""
    DIRECTORY = "directory"
    """Where an attempt without a repository worked, or what only lies among the worktrees."""
    SESSION = "session"
    """What an executor remembers of a session, to take it up again."""
    BRANCH = "branch"
    """An attempt's branch without commits of its own."""


class Leftover(Model):
    """One thing that an attempt left, and whether it may go."""

    kind: LeftoverKind
    state: LeftoverState
    why: str = ""
    """Why it stays; empty if it may go."""
    worker_id: str | None = None
    task_id: str | None = None
    branch: str | None = None
    repository: str | None = None
    path: str | None = None
    size_bytes: int = 0
    since: datetime | None = None


async def survey(state: Path, records: Records) -> list[Leftover]:
    """All that was left, and whether it may go; changes nothing.

    `state` is the state directory's real path. Raises `OSError`.
    """
    repositories = _repositories(state) | await records.checkouts()
    seen = []
    for found in _attempts(state):
        live = found.worker_id is not None and is_taken(state / "scratch" / found.worker_id)
        seen.append(await _judge(found, records, live=live))
    for found in await _branches(repositories):
        seen.append(await _judge(found, records, live=False))  # noqa: PERF401 - one at a time
    return _left(seen)


async def prune(state: Path, records: Records) -> list[Leftover]:
    """Remove what may go; the answer is what was there, and what became of it.

    `state` is the state directory's real path. Raises `OSError`.
    """
    repositories = _repositories(state) | await records.checkouts()
    done = []
    for found in _attempts(state):
        with _held(state, found.worker_id) as held:
            done.append(await _remove(found, await _judge(found, records, live=not held)))
    for found in await _branches(repositories):
        done.append(await _remove(found, await _judge(found, records, live=False)))  # noqa: PERF401
    return _left(done)


def _left(found: list[Leftover]) -> list[Leftover]:
    """Without what attempts still need and nobody would look for: their memory and branches."""
    places = {LeftoverKind.WORKTREE, LeftoverKind.DIRECTORY}
    needed = {LeftoverState.LIVE, LeftoverState.OPEN}
    return [each for each in found if each.kind in places or each.state not in needed]


@dataclass(frozen=True)
class _Found:
    """Something that was found, before it is known whether it may go."""

    kind: LeftoverKind
    path: Path
    """Where it is; for a branch, its repository."""
    worker_id: str | None = None
    branch: str | None = None
    checkout: Checkout | None = None

    @property
    def repository(self) -> Path | None:
        """The repository that it belongs to."""
        if self.checkout is not None:
            return self.checkout.repository
        return self.path if self.kind is LeftoverKind.BRANCH else None

    async def obstacle(self, own: str | None) -> Obstacle | None:
        """Why it must stay, whatever became of its attempt; `own` is the attempt's branch."""
        if self.checkout is not None:
            return await self.checkout.obstacle(own)
        if self.kind is not LeftoverKind.DIRECTORY:
            return None
        if self.worker_id is None or (self.path / ".git").is_dir():
            return Obstacle(LeftoverState.FOREIGN, "no agent made it")
        if (self.path / ".git").exists():
            return Obstacle(LeftoverState.UNKNOWN, "its repository is gone, or does not know it")
        if any(_entries(self.path)):
            return Obstacle(LeftoverState.DIRTY, "its files are in no repository")
        return None

    async def remove(self) -> None:
        """Remove it. Raises `GitFailed` or `OSError`."""
        match self.kind:
            case LeftoverKind.WORKTREE if self.checkout is not None:
                await self.checkout.remove()
            case LeftoverKind.BRANCH if self.branch is not None:
                await remove_branch(self.branch, at=self.path)
            case LeftoverKind.SESSION:
                shutil.rmtree(self.path)
            case _:
                self.path.rmdir()


async def _judge(found: _Found, records: Records, *, live: bool) -> Leftover:
    worker = None if live else await records.attempt(found.worker_id, found.branch)
    obstacle = await _obstacle(found, records, worker, live=live)
    branch = await _branch(found)
    named = ATTEMPT_BRANCH.fullmatch(branch or "")
    is_place = found.kind is not LeftoverKind.BRANCH
    return Leftover(
        kind=found.kind,
        state=obstacle.state if obstacle else LeftoverState.CLEAN,
        why=obstacle.why if obstacle else "",
        worker_id=found.worker_id or (worker.id if worker else None),
        task_id=worker.task_id if worker else named and named[1],
        branch=branch,
        repository=str(found.repository) if found.repository else None,
        path=str(found.path) if is_place else None,
        size_bytes=await to_thread.run_sync(_size, found.path) if is_place else 0,
        since=_since(found.path) if is_place else None,
    )


async def _branch(found: _Found) -> str | None:
    try:
        return await found.checkout.branch() if found.checkout else found.branch
    except GitFailed:  # An agent has removed it just now.
        return None


async def _obstacle(
    found: _Found, records: Records, worker: Worker | None, *, live: bool
) -> Obstacle | None:
    if live:
        return Obstacle(LeftoverState.LIVE, "an agent works there")
    unended = records.obstacle(worker)
    if unended is not None and unended.state is LeftoverState.OPEN:
        return unended
    return await found.obstacle(worker.branch if worker else None) or unended


async def _remove(found: _Found, judged: Leftover) -> Leftover:
    if judged.state is not LeftoverState.CLEAN:
        return judged
    try:
        with CancelScope(shield=True):  # half removed, it would look like nobody's
            await found.remove()
    except (GitFailed, OSError) as problem:
        said = {"state": LeftoverState.UNKNOWN, "why": str(problem)}
        return judged.model_copy(update=said)
    return judged.model_copy(update={"state": LeftoverState.REMOVED})


def _attempts(state: Path) -> Iterator[_Found]:
    """What lies where attempts work, and where executors remember."""
    for path in _entries(state / "worktrees"):
        ours = _is_attempts(path)
        checkout = checkout_at(path) if ours else None
        kind = LeftoverKind.WORKTREE if checkout else LeftoverKind.DIRECTORY
        yield _Found(kind, path, path.name if ours else None, checkout=checkout)
    for path in _entries(state / "sessions"):
        if _is_attempts(path):
            yield _Found(LeftoverKind.SESSION, path, path.name)


async def _branches(repositories: set[Path]) -> list[_Found]:
    """The branches, in no worktree any more, of attempts that made no commit."""
    found: list[_Found] = []
    for at in sorted(repositories):
        with suppress(GitFailed):  # In a repository that cannot be read, everything stays.
            bare = [
                branch
                for branch in await idle_branches(at)
                if await is_bare_of_commits(branch, at=at)
            ]
            found += [_Found(LeftoverKind.BRANCH, at, branch=branch) for branch in bare]
    return found


def _repositories(state: Path) -> set[Path]:
    """The repositories that attempts branched off: the clones here, and those of worktrees."""
    clones = {path for path in _entries(state / "repositories") if path.suffix == ".git"}
    trees = [found.checkout for found in _attempts(state)]
    return {path for path in clones if path.is_dir()} | {each.repository for each in trees if each}


@contextmanager
def _held(state: Path, worker_id: str | None) -> Iterator[bool]:
    """Keep agents from taking an attempt up meanwhile; False while one has it."""
    if worker_id is None:
        yield True
        return
    path = state / "scratch" / worker_id
    was_there = path.exists()
    scratch = take(path)
    if scratch is None:
        yield False
        return
    try:
        yield True
    finally:
        # One that was there tells the next agent that this attempt's agent was killed.
        scratch.let_go() if was_there else scratch.remove()


def _is_attempts(path: Path) -> bool:
    return bool(_WORKER.fullmatch(path.name)) and path.is_dir() and not path.is_symlink()


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _since(path: Path) -> datetime | None:
    marker = path / ".git"
    try:
        status = (marker if marker.is_file() else path).lstat()
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _size(path: Path) -> int:
    """Bytes on disk of a file or of all that a directory holds; links are not followed."""
    inside = (Path(at, name) for at, _, names in os.walk(path) for name in names)
    total = 0
    for file in (path, *inside):
        with suppress(OSError):
            total += file.lstat().st_blocks * 512
    return total
