"""Where one attempt is on this machine: its directories, and what becomes of them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildd.agent import repository, worktree
from buildd.agent.worktree import Worktree
from buildd.models import Claimed, Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """The directories of one attempt."""

    workspace: Workspace
    workdir: Path
    scratch: Path
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
        shutil.rmtree(self.scratch, ignore_errors=True)
        if keep or not self.workdir.exists():
            return
        if self.worktree is not None:
            removed = await self.worktree.remove()
        else:
            removed = _remove_empty(self.workdir)
        if not removed:
            log.warning("kept %s: it holds work that is nowhere else", self.workdir)


async def prepare(workspace: Workspace, claimed: Claimed, state: Path, *, checkout: bool) -> Place:
    """Make the directories of an attempt. Raises `GitFailed` or `OSError`."""
    scratch = state / "scratch" / claimed.id
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    workdir = state / "worktrees" / claimed.id
    found = await repository.find(workspace, state) if checkout else None
    if found is None:
        workdir.mkdir(parents=True, exist_ok=True)
        return Place(workspace, workdir, scratch, None)
    tree = await worktree.add(found, claimed.branch, workdir)
    return Place(workspace, workdir, scratch, tree)


def _remove_empty(directory: Path) -> bool:
    try:
        directory.rmdir()
    except OSError:
        return False
    return True
