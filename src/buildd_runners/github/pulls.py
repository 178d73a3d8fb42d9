"""Pull requests on GitHub: opened once for a branch, and found again however often they are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from github import GithubException
from github.PullRequest import PullRequest as Pull
from github.Repository import Repository
from pydantic import JsonValue

from buildd.errors import NotConfigured
from buildd.models import PullRequest
from buildd.roles import CommentOrder, PullRequestOrder
from buildd_runners.github.comments import comment
from buildd_runners.github.credentials import Credentials
from buildd_runners.github.refusals import explained

_PERMISSIONS = {"contents": "read", "pull_requests": "write"}
_SCP = re.compile(r"(?:[^@/:]+@)?([^@/:]+):(?!//)(.+)")
"""`git@github.com:acme/shop.git`: an address of git's that is no URL."""
_NAME = re.compile(r"([A-Za-z0-9_-]+)/((?!\.{1,2}$)[A-Za-z0-9._-]+)")


@dataclass(frozen=True)
class GitHubForge:
    """Opens pull requests in the repositories that its credentials reach."""

    credentials: Credentials

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> Self:
        """From what `Credentials.from_config` takes. Raises `ConfigError`."""
        return cls(Credentials.from_config(config))

    def open_pull_request(self, order: PullRequestOrder) -> PullRequest:
        """The pull request of the branch, opened if there is none."""
        owner, name = repository_of(order.repo, self.credentials.host)
        with explained(), self.credentials.client(owner, name, _PERMISSIONS) as github:
            repo = github.get_repo(f"{owner}/{name}")
            return _shown(_find(repo, order) or _create(repo, order))

    def comment(self, order: CommentOrder) -> str:
        """The comment of that mark on the issue, written if there is none."""
        return comment(self.credentials, order)


def repository_of(address: str, host: str) -> tuple[str, str]:
    """Owner and name of the repository that a clone address on this host means.

    Raises `NotConfigured` for any other address.
    """
    named, path = _parts(address)
    found = _NAME.fullmatch(path.strip("/").removesuffix(".git"))
    if named.removeprefix("ssh.") != host or found is None:
        raise NotConfigured(f"the workspace's repo is not a repository on {host}")
    return found[1], found[2]


def _parts(address: str) -> tuple[str, str]:
    scp = _SCP.fullmatch(address)
    if scp:
        return scp[1].lower(), scp[2]
    try:
        parts = urlsplit(address)
        return parts.hostname or "", parts.path
    except ValueError:
        return "", ""


def _find(repo: Repository, order: PullRequestOrder) -> Pull | None:
    head = f"{repo.owner.login}:{order.branch}"
    towards = {"base": order.base} if order.base else {}
    # GitHub ignores a filter that it does not understand, and would then list everybody's.
    listed = repo.get_pulls(state="open", head=head, **towards).get_page(0)
    return next((pull for pull in listed if pull.head.label == head), None)


def _create(repo: Repository, order: PullRequestOrder) -> Pull:
    try:
        return repo.create_pull(
            base=order.base or repo.default_branch,
            head=order.branch,
            title=order.title,
            body=order.body,
            draft=order.draft,
        )
    except GithubException as problem:
        # The same was asked twice at once, and the other one was first.
        there = problem.status == HTTPStatus.UNPROCESSABLE_ENTITY and _find(repo, order)
        if not there:
            raise
        return there


def _shown(pull: Pull) -> PullRequest:
    return PullRequest(
        url=pull.html_url,
        number=pull.number,
        branch=pull.head.ref,
        base=pull.base.ref,
        draft=pull.draft,
    )
