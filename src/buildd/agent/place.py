"""Where one attempt is on this machine: its directories, and what becomes of them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from buildd.agent import repository, worktree
from buildd.agent.git import GitFailed
from buildd.agent.process import sweep_orphans
from buildd.agent.scratch import Scratch, take, wait_for
from buildd.agent.worktree import Worktree
from buildd.errors import ConfigError
from buildd.models import Claimed, Workspace

log = logging.getLogger(__name__)

_LEAST_SPACE = 1_000_000
"""Bytes without which not even a small worktree can be made."""


@dataclass(frozen=True)
class Place:
    """The directories of one attempt."""

    workspace: Workspace
    workdir: Path
    scratch: Scratch
    memory: Path
    """What the executor wants to find again when the attempt is resumed here."""
    worktree: Worktree | None
    """None where the workspace has no repository: then `workdir` is a plain directory."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What programs that work here should know."""
        if self.worktree is None:
            return {}
        return {"BUILDD_BRANCH": self.worktree.branch, **self.worktree.identity}

    async def leave(self, *, keep: bool) -> None:
        """Remove what nobody needs any more; what could be lost stays, and the log says where."""
        try:
            if keep or not self.workdir.exists():
                return
            if self.worktree is not None:
                removed = await worktree.remove(self.workdir, self.worktree.branch)
            else:
                removed = _remove_empty(self.workdir)
            if not removed:
                log.warning("kept %s: it holds work that is nowhere else", self.workdir)
        finally:
            self.scratch.remove()


async def prepare(
    workspace: Workspace,
    claimed: Claimed,
    state: Path,
    *,
    checkout: bool,
    earlier: Sequence[str] = (),
) -> Place:
    """Make the directories of an attempt, from where the latest of the earlier ones left its work.

    `earlier` are their branches. Raises `GitFailed`, `NoRepository` or `OSError`.
    """
    if earlier:
        await sweep(state)
    workdir = state / "worktrees" / claimed.id
    scratch = await wait_for(state / "scratch" / claimed.id)
    try:
        found = await repository.find(workspace, state) if checkout else None
        if found is None:
            workdir.mkdir(parents=True, exist_ok=True)
            return Place(workspace, workdir, scratch, _remember(state, claimed.id), None)
        tree = await worktree.add(found, claimed.branch, workdir, earlier)
        return Place(workspace, workdir, scratch, _remember(state, claimed.id), tree)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _clear(workdir, scratch)
        raise


def lack_of_space(state: Path) -> ConfigError | None:
    """What is wrong, if there is no room left to work in."""
    if shutil.disk_usage(state).free >= _LEAST_SPACE:
        return None
    return ConfigError(f"--state-dir {state}: there is no space left on its disk")


def memory_of(worker_id: str, state: Path) -> Path:
    """Where the executor of an attempt keeps what it wants to find again."""
    return state / "sessions" / worker_id


def _remember(state: Path, worker_id: str) -> Path:
    path = memory_of(worker_id, state)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def forget(worker_id: str, state: Path) -> None:
    """Remove what the executor of an attempt that has ended wanted to find again."""
    shutil.rmtree(memory_of(worker_id, state), ignore_errors=True)


async def sweep(state: Path) -> None:
    """End and remove what killed agents left here, by the rules of `Place.leave`.

    What they had not committed becomes the last commit of the attempt. A scratch directory that
    nobody has locked is the sign of one. What an attempt kept on purpose has none any more, and
    stays.
    """
    swept = await anyio.to_thread.run_sync(sweep_orphans)
    if swept:
        log.warning("ended %d processes that a killed agent left behind", swept)
    for path in _directories(state / "scratch"):
        try:
            scratch = take(path)
        except OSError as problem:
            log.warning("kept %s: %s", path, problem.strerror)
            continue
        if scratch is not None:
            await _clear(state / "worktrees" / path.name, scratch)


async def _clear(workdir: Path, scratch: Scratch) -> None:
    """Remove the directories of an attempt of which no more is known than where it worked."""
    try:
        if worktree.is_there(workdir):
            message = f"buildd: the unfinished work of {workdir.name}"
            removed = await worktree.remove(workdir, await worktree.rescue(workdir, message))
        else:
            removed = _remove_empty(workdir)
        if not removed:
            log.warning("kept %s: an attempt that broke off left work there", workdir)
    except (GitFailed, ConfigError, OSError) as problem:
        log.warning("kept %s: %s", workdir, problem)
    finally:
        scratch.remove()


def _directories(parent: Path) -> list[Path]:
    return sorted(path for path in parent.glob("*") if path.is_dir())


def _remove_empty(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
