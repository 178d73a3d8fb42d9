"""What git knows of a worktree: whether it is one of ours, and whether anything would be lost.

Whatever is not certain is an obstacle. Git's own check is not enough: a repository can configure it
to overlook files, and `git worktree remove` would take them along.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from buildd.agent.git import GitFailed, ask, git

ATTEMPT_BRANCH = re.compile(r"buildd/(task_[0-9a-z]{26})-.+-\d+")
"""The branches that the broker names, and the task in each."""
_ATTEMPTS = "buildd/*"
_SUBMODULE = "160000"


class LeftoverState(StrEnum):
    """Whether something may go; only what is `CLEAN` may."""

    CLEAN = "clean"
    """Nothing would be lost, and its attempt has ended."""
    LIVE = "live"
    """An agent works there now."""
    OPEN = "open"
    """Its attempt has not ended: paused, perhaps, or its agent was killed a moment ago."""
    DIRTY = "dirty"
    """It holds files that are not committed."""
    UNPUSHED = "unpushed"
    """It holds commits that are neither pushed nor merged."""
    FOREIGN = "foreign"
    """No agent made it."""
    UNKNOWN = "unknown"
    """What would be lost, or whether the attempt has ended, cannot be told."""
    REMOVED = "removed"
    """It is gone."""


@dataclass(frozen=True)
class Obstacle:
    """Why something stays."""

    state: LeftoverState
    why: str


@dataclass(frozen=True)
class Checkout:
    """A linked worktree, and the repository it belongs to."""

    path: Path
    git_dir: Path

    @property
    def common(self) -> Path:
        """Git's directory of the repository."""
        return self.git_dir.parent.parent

    @property
    def repository(self) -> Path:
        """The repository as people know it."""
        return self.common.parent if self.common.name == ".git" else self.common

    async def branch(self) -> str | None:
        """The branch that is checked out; None for a detached HEAD. Raises `GitFailed`."""
        ref = await ask("symbolic-ref", "--quiet", "HEAD", at=self.path)
        return ref.removeprefix("refs/heads/") if ref else None

    async def obstacle(self, own: str | None) -> Obstacle | None:
        """Why it must stay, as far as git knows; `own` is the attempt's branch, if it is known."""
        try:
            return await self.loss(own) or await self._unpushed()
        except (GitFailed, OSError) as problem:
            return _unsure(f"git: {problem}")

    async def loss(self, own: str | None) -> Obstacle | None:
        """What would be lost with it, though the branch stays. Raises `GitFailed` or `OSError`."""
        return await self._misplaced(own) or await self._uncommitted()

    async def _misplaced(self, own: str | None) -> Obstacle | None:
        if (self.git_dir / "locked").exists():
            return _unsure("somebody locked it with `git worktree lock`")
        branch = await self.branch()
        if branch is None:
            return _unsure("its HEAD is detached")
        if branch != own if own else not ATTEMPT_BRANCH.fullmatch(branch):
            return _unsure(f"it is on {branch}, which is not the attempt's branch")
        return None

    async def _uncommitted(self) -> Obstacle | None:
        status = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
        # Looking into a submodule would run what it is set to; that there is one is enough below.
        changed = _entries(await git(*status, "--ignore-submodules=dirty", at=self.path))
        if changed:
            return Obstacle(LeftoverState.DIRTY, f"{_count(changed, 'file')} not committed")
        for entry in _entries(await git("ls-files", "-v", "--stage", "-z", at=self.path)):
            known, _, name = entry.partition("\t")
            tag, mode = known.split(" ")[:2]
            if mode == _SUBMODULE:
                return _unsure("it has submodules, which may hold work of their own")
            if _overlooked(tag, self.path / name):
                return _unsure("git is told to overlook changes in it")
        return None

    async def _unpushed(self) -> Obstacle | None:
        commits = await unsaved_commits(f"refs/heads/{await self.branch()}", at=self.common)
        if not commits:
            return None
        said = f"{_count(commits, 'commit')} neither pushed nor merged"
        return Obstacle(LeftoverState.UNPUSHED, said)

    async def remove(self) -> None:
        """Remove it, and its branch too if that has no commits of its own. Raises `GitFailed`.

        To be called after `loss`: git's own look, which `--force` leaves out, would run the filters
        that are set for this worktree alone.
        """
        branch = await self.branch()
        await git("worktree", "remove", "--force", "--", str(self.path), at=self.common)
        if branch and await is_bare_of_commits(branch, at=self.common):
            await remove_branch(branch, at=self.common)


def checkout_at(path: Path) -> Checkout | None:
    """The worktree there; None unless it and its repository agree that it is one."""
    pointer = path / ".git"
    if pointer.is_symlink():
        return None
    try:
        # Newer gits may write relative paths.
        git_dir = (path / plain_text(pointer).removeprefix("gitdir: ").strip()).resolve()
        back = (git_dir / plain_text(git_dir / "gitdir").strip()).resolve()
    except OSError:
        return None
    if git_dir.parent.name != "worktrees" or back != pointer:
        return None
    return Checkout(path, git_dir)


def plain_text(path: Path) -> str:
    """What stands in a file, fit for a path. Raises `OSError`, also for a pipe, which never ends."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file")
    return path.read_text(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


async def unsaved_commits(ref: str, *, at: Path) -> list[str]:
    """The commits that only attempts on this machine have. Raises `GitFailed`."""
    known = (f"--exclude={_ATTEMPTS}", "--branches", "--remotes")
    only = (await git("rev-list", ref, "--not", *known, at=at)).splitlines()
    return [] if only and await _is_squashed(ref, at) else only


async def _is_squashed(ref: str, at: Path) -> bool:
    """Whether the default branch has it all, in other commits: then merging would add nothing."""
    for into in ("refs/remotes/origin/HEAD", "HEAD"):
        tree = await ask("rev-parse", "--verify", "--quiet", f"{into}^{{tree}}", at=at)
        if tree and tree == await ask("merge-tree", "--write-tree", into, ref, at=at):
            return True
    return False


async def is_bare_of_commits(branch: str, *, at: Path) -> bool:
    """Whether an attempt's branch only repeats what other branches have. Raises `GitFailed`."""
    if not ATTEMPT_BRANCH.fullmatch(branch):
        return False
    others = ("--exclude=buildd/*", "--branches", "--exclude=*/buildd/*", "--remotes")
    own = await git("rev-list", "--max-count=1", f"refs/heads/{branch}", "--not", *others, at=at)
    return not own


async def remove_branch(branch: str, *, at: Path) -> None:
    """Remove a branch that nothing has moved meanwhile. Raises `GitFailed`."""
    ref = f"refs/heads/{branch}"
    await git("update-ref", "-d", ref, await git("rev-parse", ref, at=at), at=at)


async def idle_branches(at: Path) -> list[str]:
    """The attempts' branches that no worktree has checked out. Raises `GitFailed`."""
    shown = "--format=%(worktreepath)%09%(refname:lstrip=2)"
    listed = await git("for-each-ref", shown, "refs/heads/buildd/", at=at)
    pairs = [line.rpartition("\t") for line in listed.splitlines()]
    return [branch for path, _, branch in pairs if not path and ATTEMPT_BRANCH.fullmatch(branch)]


def _unsure(why: str) -> Obstacle:
    return Obstacle(LeftoverState.UNKNOWN, why)


def _overlooked(tag: str, file: Path) -> bool:
    """Whether git would not see a change of it; what a sparse checkout leaves out has none."""
    return tag != "H" and not (tag == "S" and not os.path.lexists(file))


def _entries(listing: str) -> list[str]:
    return [entry for entry in listing.split("\0") if entry]


def _count(things: list[str], noun: str) -> str:
    return f"{len(things)} {noun} is" if len(things) == 1 else f"{len(things)} {noun}s are"
