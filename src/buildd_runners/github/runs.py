"""The runs of one workflow: listed, asked for, read and cancelled. Everything here blocks.

No request is repeated here. One that asks for a run may have made it although no answer came, so
only who has looked for that run may ask again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice

from github.Repository import Repository
from github.WorkflowRun import WorkflowRun

from buildd.errors import ForgeRefused, Unavailable
from buildd_runners.github.credentials import Credentials
from buildd_runners.github.refusals import explained
from buildd_runners.github.workflow import EVENT_TYPE, Event, Workflow

COMPLETED = "completed"
_LIVE = ("queued", "in_progress", "requested", "waiting", "pending")
_RECENT = 200
"""Runs among which one of a given name is looked for: two requests in a busy repository."""
_MOST = 1000
"""GitHub lists no more of one status."""
_PAGE = 100


@dataclass(frozen=True)
class Run:
    """A run as GitHub shows it."""

    id: int
    url: str
    name: str = ""
    status: str = ""
    conclusion: str | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status == COMPLETED


@dataclass(frozen=True)
class Runs:
    """The runs of one workflow."""

    credentials: Credentials
    workflow: Workflow

    def named(self, name: str) -> list[Run]:
        """The recent runs of that name, oldest first.

        GitHub lists a run seconds after it has made it, and nobody promises how many.
        """
        with self.repository() as repo:
            listed = islice(repo.get_workflow(self.workflow.file).get_runs(), _RECENT)
            return sorted((run for run in _ours(listed) if run.name == name), key=lambda r: r.id)

    def live(self) -> list[Run]:
        """Every run that has not ended, of whatever name."""
        found: dict[int, Run] = {}
        with self.repository() as repo:
            workflow = repo.get_workflow(self.workflow.file)
            for status in _LIVE:
                listed = islice(workflow.get_runs(status=status), _MOST)
                found |= {run.id: run for run in _ours(listed) if not run.over}
        return [found[each] for each in sorted(found)]

    def dispatch(self, payload: Mapping[str, str]) -> Run | None:
        """Ask for a run; None if GitHub takes that, and does not say which one it made."""
        with self.repository() as repo:
            if self.workflow.event is Event.REPOSITORY:
                body = {"event_type": EVENT_TYPE, "client_payload": dict(payload)}
                # PyGithub's own method for it answers False, whatever the trouble.
                repo.requester.requestJsonAndCheck("POST", f"{repo.url}/dispatches", input=body)
                return None
            made = repo.get_workflow(self.workflow.file).create_dispatch(
                self.workflow.ref or repo.default_branch,
                dict(payload),
                throw=True,
                return_run_details=True,
            )
            # An older GitHub Enterprise Server does not know of run details.
            return Run(made.id, made.html_url) if isinstance(made, WorkflowRun) else None

    def repository_id(self) -> str:
        """What the repository stays known by when it, or its owner, gets another name."""
        with self.repository() as repo:
            _, shown = repo.requester.requestJsonAndCheck("GET", repo.url)
        if not shown.get("id"):  # a proxy's page, say
            raise Unavailable("GitHub's answer was not understood")
        return str(shown["id"])

    def get(self, run_id: int) -> Run | None:
        """One run; None if it was deleted."""
        try:
            with self.repository() as repo:
                run = repo.get_workflow_run(run_id).complete()
                if not run.status:  # a proxy's page, say
                    raise Unavailable("GitHub's answer was not understood")
                return _shown(run)
        except ForgeRefused as problem:
            if problem.details.get("forgeStatus") != HTTPStatus.NOT_FOUND:
                raise
        # The same is said to who may not see the repository any more; then this raises.
        with self.repository() as repo:
            repo.complete()
        return None

    def cancel(self, run_id: int, *, force: bool) -> None:
        """Have a run cancelled; by force also if its steps do not listen. Its end comes later."""
        verb = "force-cancel" if force else "cancel"
        try:
            with self.repository() as repo:
                url = f"{repo.url}/actions/runs/{run_id}/{verb}"
                repo.requester.requestJsonAndCheck("POST", url)
        except ForgeRefused as problem:
            # It has ended, or is gone; or it is not even queued: whoever observes it sees which.
            status = problem.details.get("forgeStatus")
            if status not in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                raise

    @contextmanager
    def repository(self) -> Iterator[Repository]:
        """The repository, of which nothing is asked before it is needed."""
        where, wanted = self.workflow, permissions(self.workflow.event)
        missing = (
            f"there is no {where.file} in {where.repository}, or the credentials do not reach it"
        )
        with (
            explained(missing),
            self.credentials.client(where.owner, where.name, wanted) as github,
            github.withLazy(lazy=True) as lazy,
        ):
            lazy.per_page = _PAGE
            yield lazy.get_repo(where.repository)


def permissions(event: Event) -> dict[str, str]:
    """What the credentials must be allowed."""
    return {"actions": "write", "contents": "write" if event is Event.REPOSITORY else "read"}


def _ours(runs: Iterable[WorkflowRun]) -> list[Run]:
    """Those that were asked for as we ask: a pull request can have any name."""
    return [_shown(run) for run in runs if run.event in set(Event)]


def _shown(run: WorkflowRun) -> Run:
    return Run(run.id, run.html_url, run.display_title or "", run.status or "", run.conclusion)
