"""What GitHub sends, as far as it matters here. Everything else about a delivery is ignored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pydantic_core
from pydantic import AwareDatetime, ValidationError

from buildd import wire
from buildd.errors import Malformed
from buildd.models.github import GitHubText, Issue, Label, Person, Shape


class Repository(Shape):
    """A repository; its name may change, its id does not."""

    id: int
    full_name: str


class Payload(Shape):
    """What all of them say. `repository` is missing where an organisation's own webhook speaks."""

    repository: Repository | None = None
    sender: Person | None = None

    @property
    def happened_at(self) -> datetime | None:
        """When what it tells of happened, as far as GitHub says so."""
        return None


class Ping(Payload):
    """GitHub tries the webhook."""

    zen: str


class IssuesPayload(Payload):
    """Something happened to an issue."""

    action: str
    issue: Issue
    label: Label | None = None
    # The event's name is not signed: what is about a comment must not pass for this.
    comment: None = None

    @property
    def gone(self) -> bool:
        """Whether there is no such issue any more."""
        return self.action in {"deleted", "transferred"}

    @property
    def happened_at(self) -> datetime | None:
        """When it changed last; its end may leave that as it was."""
        return None if self.gone else self.issue.updated_at


class Comment(Shape):
    """A comment on an issue."""

    id: int
    body: GitHubText
    user: Person | None = None
    author_association: str = ""
    html_url: str
    created_at: AwareDatetime


class CommentPayload(Payload):
    """Somebody commented on an issue."""

    action: str
    issue: Issue
    comment: Comment

    @property
    def happened_at(self) -> datetime | None:
        """When it was written."""
        return self.comment.created_at


class _Owner(Shape):
    id: int


class Head(Shape):
    """Where a pull request comes from; a fork that was deleted is no repository any more."""

    ref: str
    repo: _Owner | None = None


class Pull(Shape):
    """A pull request."""

    number: int
    title: GitHubText
    html_url: str
    state: str
    merged: bool = False
    draft: bool = False
    head: Head
    base: Head
    updated_at: AwareDatetime


class PullPayload(Payload):
    """Something happened to a pull request."""

    action: str
    pull_request: Pull
    review: None = None
    comment: None = None

    @property
    def happened_at(self) -> datetime | None:
        """When it changed last."""
        return self.pull_request.updated_at


class _PullOfCheck(Shape):
    head: Head


class Suite(Shape):
    """The checks that one app makes of a commit. It names the pull requests of no fork."""

    head_branch: str | None = None
    head_sha: str
    conclusion: str | None = None
    pull_requests: list[_PullOfCheck] = []
    updated_at: AwareDatetime | None = None


class _Run(Shape):
    name: GitHubText
    html_url: str | None = None
    conclusion: str | None = None
    completed_at: AwareDatetime | None = None
    check_suite: Suite


class CheckRunPayload(Payload):
    """One check of a commit."""

    action: str
    check_run: _Run

    @property
    def happened_at(self) -> datetime | None:
        """When it ended."""
        return self.check_run.completed_at


class SuitePayload(Payload):
    """All checks of one app."""

    action: str
    check_suite: Suite

    @property
    def happened_at(self) -> datetime | None:
        """When it changed last."""
        return self.check_suite.updated_at


class _WorkflowRun(Shape):
    name: GitHubText | None = None
    html_url: str
    conclusion: str | None = None
    head_branch: str | None = None
    head_sha: str
    head_repository: _Owner | None = None
    updated_at: AwareDatetime


class WorkflowRunPayload(Payload):
    """A run of a workflow of GitHub Actions."""

    action: str
    workflow_run: _WorkflowRun

    @property
    def happened_at(self) -> datetime | None:
        """When it changed last."""
        return self.workflow_run.updated_at


_DONE = frozenset({"completed"})
HEARD: Mapping[str, tuple[type[Payload], frozenset[str]]] = {
    "ping": (Ping, frozenset()),
    "issues": (
        IssuesPayload,
        frozenset(
            {"opened", "edited", "labeled", "unlabeled", "closed", "reopened"}
            | {"deleted", "transferred"}
        ),
    ),
    "issue_comment": (CommentPayload, frozenset({"created"})),
    "pull_request": (PullPayload, frozenset({"opened", "reopened", "closed"})),
    "check_run": (CheckRunPayload, _DONE),
    "check_suite": (SuitePayload, _DONE),
    "workflow_run": (WorkflowRunPayload, _DONE),
}
"""The events that have an effect, each with what it looks like and the actions that count."""


def parse(event: str, body: bytes) -> Payload | None:
    """What a delivery says; None for what has no effect. Raises `Invalid` for what is not GitHub's."""
    document = _document(body)
    if event not in HEARD:
        return None
    shape, actions = HEARD[event]
    if actions and document.get("action") not in actions:
        return None
    try:
        return shape.model_validate(document)
    except ValidationError as problem:
        raise wire.invalid(problem) from None


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = pydantic_core.from_json(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Malformed("the body is no JSON object: give the webhook the type application/json")
    return document
