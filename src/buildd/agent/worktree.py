"""The git worktree of one attempt, on the attempt's own branch.

Work is never thrown away: a worktree is removed only when all it holds is committed on the
attempt's branch in the repository; otherwise it stays and the agent says where.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread

from buildd.agent.git import GitFailed, ask, git, git_into, succeeds
from buildd.agent.inspection import checkout_at, plain_text
from buildd.agent.repository import Repository, restore_settings

DIFF_LIMIT = 900_000
"""Characters of a diff that are shown; a server takes a million."""
_LISTED = 200

_SHALLOW = "--ignore-submodules=dirty"
"""Their commits count, but git need not look into them."""
_NESTED = "160000 "
"""How git lists a repository within the repository."""
_READ = frozenset({".gitignore", ".gitattributes", ".gitmodules", ".mailmap"})

_OURS = "buildd/"
_BRANCH = "buildd-branch"
"""A file among git's own for a worktree: the attempt's branch, wherever its HEAD is."""

_FALLBACK_NAME = "buildd agent"
_FALLBACK_EMAIL = "noreply@buildd.dev"


@dataclass(frozen=True)
class Commit:
    """A commit that the attempt made."""

    sha: str
    subject: str


@dataclass(frozen=True)
class Changes:
    """What the attempt changed since it started."""

    commits: tuple[Commit, ...]
    """Oldest first, the last 200."""
    files: tuple[str, ...]
    diff: str
    truncated: bool


@dataclass(frozen=True)
class Worktree:
    """A git worktree on the branch of one attempt."""

    path: Path
    repository: Repository
    branch: str
    start: str
    """The commit that the attempt's changes are counted from."""
    earlier: str | None = None
    """The branch of an earlier attempt at the task, whose work this one goes on with."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """Who commits, as environment variables, where git does not know it on this machine."""

    @property
    def ref(self) -> str:
        """The branch's full name, which git can take for nothing else."""
        return f"refs/heads/{self.branch}"

    async def checkpoint(self, message: str) -> None:
        """Commit whatever is not committed yet onto the attempt's branch."""
        await self._check()
        # A git that was killed with its tree leaves this behind; nobody else works here.
        (await _git_dir(self.path) / "index.lock").unlink(missing_ok=True)
        await self._return_to_branch()
        await _stage(self.path)
        if await git("status", "--porcelain", _SHALLOW, at=self.path):
            await git(
                "commit",
                "--quiet",
                "--no-verify",
                "--cleanup=verbatim",
                "--file=-",
                at=self.path,
                stdin=message,
                environment=self.identity,
            )

    async def _check(self) -> None:
        """Work on in our own worktree only, whatever the task made of its `.git`."""
        found = checkout_at(self.path)
        if not self.path.is_dir():
            raise GitFailed(f"the directory {self.path} is gone")
        own = await _common_dir(self.repository.path)
        if found is None or not found.common == own == await _common_dir(self.path):
            raise GitFailed("the worktree's .git was replaced, and what it names is not touched")

    async def _return_to_branch(self) -> None:
        """Bring commits that were made on another branch, or on none, onto the attempt's."""
        if await ask("symbolic-ref", "--quiet", "HEAD", at=self.path) == self.ref:
            return
        head = await git("rev-parse", "--verify", "HEAD^{commit}", at=self.path)
        tip = await ask("rev-parse", "--verify", "--quiet", self.ref, at=self.path)
        if tip and not await succeeds("merge-base", "--is-ancestor", tip, head, at=self.path):
            raise GitFailed(f"the work was left on a branch that does not follow {self.branch}")
        await git("update-ref", self.ref, head, *([tip] if tip else []), at=self.path)
        await git("symbolic-ref", "HEAD", self.ref, at=self.path)

    async def changes(self) -> Changes:
        """What was committed since the start."""
        span = f"{self.start}..{self.ref}"
        listed = ("log", "--no-mailmap", f"--max-count={_LISTED}", "--format=%H %s")
        log = await git(*listed, span, "--", at=self.path)
        commits = [Commit(*line.partition(" ")[::2]) for line in log.splitlines()]
        names = await git("diff", "--name-only", "-z", self.start, self.ref, "--", at=self.path)
        plain = ("diff", "--no-color", "--no-ext-diff", "--no-textconv")
        # Nameless, so that no link of the task's stands in its place.
        with tempfile.TemporaryFile() as diff:
            await git_into(diff, *plain, self.start, self.ref, "--", at=self.path)
            diff.seek(0)
            with io.TextIOWrapper(diff, encoding="utf-8", errors="replace", newline="") as file:
                shown = file.read(DIFF_LIMIT)
                truncated = bool(file.read(1))
        return Changes(
            commits=tuple(reversed(commits)),
            files=tuple(name for name in names.split("\0") if name),
            diff=shown.replace("\0", "\N{REPLACEMENT CHARACTER}"),
            truncated=truncated,
        )


async def add(
    repository: Repository, branch: str, path: Path, earlier: Sequence[str] = ()
) -> Worktree:
    """Make, or take up again, the worktree of an attempt. Raises `GitFailed`.

    A new branch starts where the first of the `earlier` branches that holds any work ends.
    """
    # It expands shorthands such as @{-1}; only a name that stays itself is one.
    if await ask("check-ref-format", "--branch", branch, at=repository.path) != branch:
        raise GitFailed(f"{branch!r} is not a name git allows for a branch")
    base, tip = await repository.base(), await repository.tip(branch)
    origin = None if tip else await _with_work(repository, earlier, base)
    tip = await repository.tip(origin) if origin else tip
    start = base if tip is None else await git("merge-base", base, tip, at=repository.path)
    with anyio.CancelScope(shield=True):  # half a checkout would look like work
        if is_there(path):
            await git("merge", "--quiet", "--ff-only", tip or base, at=path)
        else:
            await _check_out(repository, branch, path, tip or base)
        (await _git_dir(path) / _BRANCH).write_text(branch)
    return Worktree(path, repository, branch, start, origin, await _identity(path))


async def _with_work(repository: Repository, branches: Sequence[str], base: str) -> str | None:
    for branch in branches:
        tip = await repository.tip(branch)
        shared = tip and await ask("merge-base", base, tip, at=repository.path)
        if shared and shared != tip:
            return branch
    return None


async def push(repository: Path, branch: str) -> None:
    """Bring a branch to the remote of a clone. Raises `GitFailed` with git's own line."""
    ref = f"refs/heads/{branch}"
    try:
        restore_settings(repository)
    except OSError as problem:
        raise GitFailed(f"cannot push from {repository}: {problem.strerror}") from None
    await git("push", "--quiet", "--", "origin", f"{ref}:{ref}", at=repository)


async def rescue(path: Path, message: str) -> str | None:
    """Commit what a killed agent left in a worktree onto its attempt's branch, which is the answer.

    Not in one that no executor was given yet. Raises `GitFailed` or `OSError`.
    """
    found = checkout_at(path)
    if found is None:
        raise GitFailed("it is no worktree any more")
    known = found.git_dir / _BRANCH
    if not known.exists():
        return None
    branch = plain_text(known)
    if not branch.startswith(_OURS):
        raise GitFailed(f"{branch!r} is not the branch of an attempt")
    repository = Repository(found.repository, remote=False)
    await Worktree(path, repository, branch, "", None, await _identity(path)).checkpoint(message)
    return branch


async def remove(path: Path, branch: str | None) -> bool:
    """Remove a worktree, unless something in it would be lost or it is on another branch than this.

    Its branch stays if it has commits of its own. Raises `GitFailed` or `OSError`.
    """
    found = checkout_at(path)
    if found is None or await found.loss(branch):
        return False
    await found.remove()
    return True


def is_there(path: Path) -> bool:
    """Whether a worktree was made there."""
    return (path / ".git").exists()


async def _check_out(repository: Repository, branch: str, path: Path, commit: str) -> None:
    if path.is_relative_to(repository.path):
        raise GitFailed(f"the state directory must not lie inside the repository {repository.path}")
    await git("worktree", "prune", at=repository.path)
    ref = f"refs/heads/{branch}"
    tip = await ask("rev-parse", "--verify", "--quiet", ref, at=repository.path)
    if tip != commit:
        await git("update-ref", ref, commit, tip or "", at=repository.path)
    await git("worktree", "add", "--quiet", "--", str(path), branch, at=repository.path)


async def _stage(path: Path) -> None:
    """Put all changes into the index, and run nothing of what nested repositories are set to."""
    await anyio.to_thread.run_sync(_remove_pipes, path)
    entries = (await git("ls-files", "--stage", "-z", at=path)).split("\0")
    nested = [entry.partition("\t")[2] for entry in entries if entry.startswith(_NESTED)]
    around = [f":(exclude,top,literal){each}" for each in nested]
    await git("add", "--all", "--", ".", *around, at=path)
    if nested:
        # Their commits alone: `add` would look into them, with filters that they define.
        names = "".join(f"{each}\0" for each in nested)
        await git("update-index", "--remove", "-z", "--stdin", at=path, stdin=names)


def _remove_pipes(path: Path) -> None:
    """Remove named pipes where git reads its own files: it would wait for ever, and keeps none."""
    for directory, _, files in os.walk(path):
        for name in _READ.intersection(files):
            file = Path(directory, name)
            if stat.S_ISFIFO(file.lstat().st_mode):
                file.unlink()


async def _common_dir(repository: Path) -> Path:
    return (repository / await git("rev-parse", "--git-common-dir", at=repository)).resolve()


async def _git_dir(path: Path) -> Path:
    return Path(await git("rev-parse", "--absolute-git-dir", at=path))


async def _identity(path: Path) -> dict[str, str]:
    if all([await ask("config", "--get", f"user.{part}", at=path) for part in ("name", "email")]):
        return {}
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", _FALLBACK_NAME), ("EMAIL", _FALLBACK_EMAIL))
    }
