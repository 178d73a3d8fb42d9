"""Where repositories are reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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
