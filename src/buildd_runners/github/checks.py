"""Whether GitHub would start the workflow: what can be known before anything is asked of it."""

from __future__ import annotations

import re
from http import HTTPStatus

from github import Auth
from github.ContentFile import ContentFile
from github.Repository import Repository

from buildd.errors import ConfigError, ForgeRefused
from buildd_runners.github.credentials import Credentials
from buildd_runners.github.refusals import explained
from buildd_runners.github.runs import Runs, permissions
from buildd_runners.github.workflow import EVENT_TYPE, LAUNCH, Event, Workflow

_COMMENT = re.compile(r"(?:^|\s)#.*")
_EXAMPLE = "see examples/github/buildd.yml"


def check(runs: Runs) -> None:
    """Raise `ConfigError` with what is to be mended. Blocks."""
    workflow = runs.workflow
    try:
        with runs.repository() as repo:
            _check_repository(repo, workflow, runs.credentials)
            _check_workflow(repo, workflow)
    except ForgeRefused as problem:
        told = problem.message
        if problem.details.get("forgeStatus") in (
            HTTPStatus.FORBIDDEN,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ):
            told = f"{told} ({_needed(workflow.event)})"
        raise ConfigError(told) from None


def _check_repository(repo: Repository, workflow: Workflow, credentials: Credentials) -> None:
    with explained(f"there is no {workflow.repository}, or the credentials do not reach it"):
        repo.complete()
    # Of an App's token GitHub does not say that; it would not have made one that may do less.
    may_write = repo.raw_data.get("permissions", {}).get("push", True)
    if isinstance(credentials.auth, Auth.Token) and not may_write:
        raise ConfigError(
            f"the token may not write to {workflow.repository} ({_needed(workflow.event)})"
        )
    if _disabled(repo):
        raise ConfigError(f"GitHub Actions are disabled in {workflow.repository}")


def _disabled(repo: Repository) -> bool:
    """Whether it is known that they are; only who administers the repository may ask."""
    try:
        with explained():
            _, said = repo.requester.requestJsonAndCheck("GET", f"{repo.url}/actions/permissions")
    except ForgeRefused:
        return False
    return said.get("enabled") is False


def _check_workflow(repo: Repository, workflow: Workflow) -> None:
    with explained(f"there is no workflow {workflow.file} in {workflow.repository}; {_EXAMPLE}"):
        found = repo.get_workflow(workflow.file).complete()
    if found.state != "active":
        raise ConfigError(f"the workflow {workflow.file} is disabled ({found.state}); enable it")
    ref = workflow.ref or repo.default_branch
    with explained(f"there is no {found.path} at {ref}, or the credentials do not reach it"):
        file = repo.get_contents(found.path, ref)
    text = file.decoded_content.decode(errors="replace") if isinstance(file, ContentFile) else ""
    bare = _COMMENT.sub("", text)
    for word in (workflow.event, LAUNCH if workflow.event is Event.WORKFLOW else EVENT_TYPE):
        if word not in bare:
            raise ConfigError(f"{found.path} at {ref} has no `{word}`; {_EXAMPLE}")


def _needed(event: Event) -> str:
    """The permissions, in the words of GitHub's settings."""
    each = (f"{what.capitalize()}: {how}" for what, how in permissions(event).items())
    return f"needed: {' and '.join(each)}"
