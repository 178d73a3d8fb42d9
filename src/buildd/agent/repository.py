"""Where worktrees come from: the workspace's checkout on this machine, or a cached clone."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from buildd.agent.git import GitFailed, ask, git, succeeds
from buildd.agent.locks import exclusive
from buildd.models import Workspace
from buildd.text import one_line


class NoRepository(Exception):
    """A workspace's `localPath` cannot be worked in; the message says why."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether trying again, perhaps on another machine, could help."""


@dataclass(frozen=True)
class Repository:
    """A git repository on this machine that attempts branch off."""

    path: Path
    remote: bool
    """Whether it is our own clone, so that work must be pushed to its `origin`."""

    async def base(self) -> str:
        """The commit that new work starts from."""
        head = "refs/remotes/origin/HEAD" if self.remote else "HEAD"
        commit = await self._commit(head)
        if commit is None:
            raise GitFailed(
                f"the repository {self.path.name} has no commit yet: make the first one"
            )
        return commit

    async def tip(self, branch: str) -> str | None:
        """Where a branch stands, here or, if it went on there, at the remote; None if nowhere."""
        here = await self._commit(f"refs/heads/{branch}")
        there = await self._commit(f"refs/remotes/origin/{branch}")
        if here is None or there is None:
            return here or there
        went_on = await succeeds("merge-base", "--is-ancestor", here, there, at=self.path)
        return there if went_on else here

    async def _commit(self, ref: str) -> str | None:
        return await ask("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", at=self.path)


async def find(workspace: Workspace, state: Path) -> Repository | None:
    """The repository of a workspace: its checkout here, else a clone, fetched now.

    None if the workspace names neither. Raises `NoRepository` if it names a checkout that cannot
    be used and no repo to clone instead, and `GitFailed` if the repo cannot be fetched.
    """
    missing: NoRepository | None = None
    if workspace.local_path:
        try:
            return Repository(await _checkout(workspace.local_path), remote=False)
        except NoRepository as problem:
            missing = problem
    if workspace.repo:
        return Repository(await _clone(workspace.repo, state / "repositories"), remote=True)
    if missing is not None:
        raise missing
    return None


async def _checkout(local_path: str) -> Path:
    told = f"the workspace's localPath {one_line(local_path, 200)}"
    path = _directory(local_path, told)
    try:
        await git("rev-parse", "--git-dir", at=path)
    except GitFailed as problem:
        raise NoRepository(f"{told} is not a git repository: {problem}", retryable=False) from None
    return path


def _directory(local_path: str, told: str) -> Path:
    path = Path(os.path.expanduser(local_path))  # noqa: PTH111 - leaves an unknown ~name alone
    if not path.is_absolute():
        raise NoRepository(f"{told} must be an absolute path", retryable=False)
    if not path.is_dir():
        # Another machine may have it.
        raise NoRepository(f"{told} is not a directory on this machine", retryable=True)
    return path.resolve()


async def _clone(url: str, clones: Path) -> Path:
    path = clones / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.git"
    async with exclusive(path.with_suffix(".lock")):
        if not path.exists():
            await _create(url, path)
        restore_settings(path)
        await git("fetch", "--quiet", "--prune", "origin", at=path)
        # The remote's default branch may have been renamed since.
        await git("remote", "set-head", "origin", "--auto", at=path)
    return path


async def _create(url: str, path: Path) -> None:
    # Not `clone --bare`: the remote's branches and the attempts' own must not share refs/heads.
    fresh = path.with_suffix(".new")
    await git("init", "--quiet", "--bare", "--", str(fresh), at=path.parent)
    await git("config", "remote.origin.url", url, at=fresh)
    await git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*", at=fresh)
    shutil.copyfile(fresh / "config", _settings(path))
    fresh.rename(path)


def restore_settings(clone: Path) -> None:
    """Undo what tasks made of our clone's configuration and hooks, which later ones would obey.

    Also before everything that goes to the remote, with a person's credentials: it says where to.
    """
    for name in ("hooks", "info"):
        shutil.rmtree(clone / name, ignore_errors=True)
    # A name that nobody knows before, so that no link stands there.
    with tempfile.NamedTemporaryFile(dir=clone, delete=False) as file:
        file.write(_settings(clone).read_bytes())
    Path(file.name).rename(clone / "config")


def _settings(clone: Path) -> Path:
    return clone.with_suffix(".config")
