"""Where repositories are reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from buildd.models import PullRequest


@dataclass(frozen=True)
class PullRequestOrder:
    """A pull request that should be open. What it says may come from people nobody knows."""

    repo: str
    """The workspace's repository, as `git clone` takes it."""
    branch: str
    """Where the work is; it is pushed already."""
    title: str
    body: str = ""
    base: str | None = None
    """Where it is to go; None for the repository's default branch."""
    draft: bool = False


class Forge(Protocol):
    """Where repositories live and are reviewed, spoken to with the server's own credentials."""

    def open_pull_request(self, order: PullRequestOrder) -> PullRequest:
        """Have the pull request open: the one there is for that branch, else a new one. Blocks.

        Raises `buildd.errors.NotConfigured` for a repository of another forge, `ForgeRefused` with
        the forge's reason, `RateLimited`, or `Unavailable`. None of them holds a credential.
        """
        ...


@dataclass(frozen=True)
class CommentOrder:
    """A comment that should stand on an issue. What it quotes may come from people nobody knows."""

    repository: str
    """`owner/name`."""
    issue: int
    mark: str
    """What the comment begins with, and no other does that was there before it."""
    body: str
    """All of it, in Markdown."""
    comment_id: str | None = None
    """The comment, where it is known; None to write it."""
    maybe_since: datetime | None = None
    """Since when it may stand there unknown, because an answer was lost."""


@runtime_checkable
class Commenter(Protocol):
    """A forge that comments on issues, with the server's own credentials."""

    def comment(self, order: CommentOrder) -> str:
        """Have the comment say just that: the one there is, else a new one; its id. Blocks.

        Raises as a forge does.
        """
        ...
