"""Comments on issues: written once, found again if an answer was lost, and changed ever after."""

from __future__ import annotations

from github import Github
from github.Issue import Issue

from buildd.roles import CommentOrder
from buildd_runners.github.credentials import Credentials
from buildd_runners.github.refusals import explained

_PERMISSIONS = {"issues": "write"}
_MISSING = "there is no such issue or comment, or the credentials do not reach it"


def comment(credentials: Credentials, order: CommentOrder) -> str:
    """Have the comment say what is ordered, and give its id. Raises as `Forge` does."""
    owner, _, name = order.repository.partition("/")
    with explained(_MISSING), credentials.client(owner, name, _PERMISSIONS) as github:
        issue = _issue(github, order)
        found = order.comment_id or _find(issue, order)
        if found is None:
            return str(issue.create_comment(order.body).id)
        issue.get_comment(int(found)).edit(order.body)
        return found


def _issue(github: Github, order: CommentOrder) -> Issue:
    # What is known already need not be asked for: each of these would be a request.
    return github.withLazy(lazy=True).get_repo(order.repository).get_issue(order.issue)


def _find(issue: Issue, order: CommentOrder) -> str | None:
    """The oldest comment with the mark: others may repeat it, but none could before it was there."""
    if order.maybe_since is None:
        return None
    there = issue.get_comments(since=order.maybe_since)
    return next((str(each.id) for each in there if each.body.startswith(order.mark)), None)
