"""Pull requests and checks of the branches that attempts have pushed, noted where they belong.

An attempt is known by its branch, in the source's own repository: a fork may call its branches
anything, and nothing that is said of one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from buildd import operations as ops
from buildd.broker import fence, tasks
from buildd.broker.github_source import payloads as said
from buildd.broker.github_source.inbox import Heard, Inbox, first_time
from buildd.broker.records import keep_artifact, say
from buildd.events import EventType
from buildd.models import ArtifactType, PullRequest, Role
from buildd.models.github import LONGEST_TITLE
from buildd.states import LIVE, TaskStatus, WorkerStatus
from buildd.store import Row
from buildd.store.sql import github as sql
from buildd.store.sql import tasks as sql_tasks

_BRANCH = re.compile(r"buildd/(task_[0-9a-z]{26})-[a-z0-9-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{7,64}")
_FAILED = frozenset({"failure", "timed_out", "startup_failure"})
_LONGEST_NAME = 200
NOT_OURS = Heard("no attempt's branch")
_INHERITED = (
    "priority",
    "runner_preference",
    "required_capabilities",
    "max_attempts",
    "max_cost",
    "timeout_seconds",
    "trust",
)


def note_pull_request(inbox: Inbox, payload: said.PullPayload) -> Heard:
    """Show a pull request with the attempt, and what has become of it."""
    pull = payload.pull_request
    found = _worker_of(inbox, pull.head.ref) if _own(payload, pull.head) else None
    if found is None:
        return NOT_OURS
    worker = fence.lock_worker(inbox.ctx, found)
    state = "merged" if pull.merged else pull.state
    shown = PullRequest(
        url=pull.html_url,
        number=pull.number,
        branch=pull.head.ref,
        base=pull.base.ref,
        draft=pull.draft,
    )
    about = {**shown.model_dump(mode="json", by_alias=True), "state": state}
    kind = ArtifactType.PULL_REQUEST
    known = inbox.ctx.tx.first(
        sql.ARTIFACT_SAYING, worker=worker.id, type=kind.value, content=pull.html_url
    )
    if known is None:
        title = f"#{pull.number} {pull.title}"[:LONGEST_TITLE]
        artifact = ops.CreateArtifact(
            worker_id=worker.id, type=kind, title=title, content=pull.html_url, metadata=about
        )
        keep_artifact(inbox.ctx, worker, artifact)
    else:
        inbox.ctx.tx.all(sql.CHANGE_ARTIFACT, of=known.id, metadata=known.metadata | about)
        inbox.ctx.emit_worker(
            EventType.WORKER_ARTIFACT,
            worker,
            artifactId=known.id,
            type=kind.value,
            title=known.title,
            state=state,
        )
    return Heard(f"pull request {pull.number} is {state}:", worker.id)


@dataclass(frozen=True)
class _Failure:
    """Checks that failed on a commit of a branch in the source's own repository."""

    branch: str
    sha: str
    name: str
    conclusion: str
    url: str | None


def hear_check_run(inbox: Inbox, payload: said.CheckRunPayload) -> Heard:
    """One check of a commit is through."""
    run = payload.check_run
    suite = run.check_suite.model_copy(update={"conclusion": run.conclusion})
    return _hear_suite(inbox, payload, suite, run.name, run.html_url)


def hear_suite(inbox: Inbox, payload: said.SuitePayload) -> Heard:
    """All checks of one app are through."""
    return _hear_suite(inbox, payload, payload.check_suite, "its checks", None)


def hear_workflow_run(inbox: Inbox, payload: said.WorkflowRunPayload) -> Heard:
    """A workflow is through."""
    run = payload.workflow_run
    at_home = payload.repository and run.head_repository
    if not at_home or run.head_repository.id != payload.repository.id:  # type: ignore[union-attr]
        return NOT_OURS
    name, failed = run.name or "a workflow", run.conclusion or ""
    return _hear(inbox, _Failure(run.head_branch or "", run.head_sha, name, failed, run.html_url))


def _hear_suite(
    inbox: Inbox, payload: said.Payload, suite: said.Suite, name: str, url: str | None
) -> Heard:
    branch = suite.head_branch or ""
    # A suite does not say whose branch it is about; the pull requests that it names do.
    if not any(
        _own(payload, each.head) and each.head.ref == branch for each in suite.pull_requests
    ):
        return NOT_OURS
    return _hear(inbox, _Failure(branch, suite.head_sha, name, suite.conclusion or "", url))


def _hear(inbox: Inbox, failure: _Failure) -> Heard:
    """Tell the agent, or have the failure mended by another task: once for each commit."""
    if failure.conclusion not in _FAILED or not _SHA.fullmatch(failure.sha):
        return Heard("nothing failed")
    found = _worker_of(inbox, failure.branch)
    if found is None:
        return NOT_OURS
    worker = fence.lock_worker(inbox.ctx, found)
    if not first_time(inbox.ctx, inbox.source.id, f"ci {worker.task_id} {failure.sha}"):
        return Heard("that commit's failure is known")
    if WorkerStatus(worker.status) in LIVE:
        say(inbox.ctx, worker, Role.USER, "\n".join(_told(failure)))
        return Heard("told", worker.id)
    return _follow_up(inbox, worker, failure)


def _follow_up(inbox: Inbox, worker: Row, failure: _Failure) -> Heard:
    """A task that mends what failed after the end of the one that made it; so many and no more."""
    ctx = inbox.ctx
    task = ctx.tx.first(sql_tasks.LOCK_TASK, id=worker.task_id, viewer=None)
    assert task is not None
    if TaskStatus(task.status) is not TaskStatus.COMPLETED:
        return Heard(f"{task.id} is {task.status}")
    root = _root_of(task)
    beginning = f"{sql.FOLLOW_UP}{root}:"
    made = ctx.tx.first(
        sql.COUNT_ITEMS, source=inbox.source.id, beginning=beginning, length=len(beginning)
    )
    if made is None or made.number >= inbox.config.follow_ups:
        return Heard(f"{root} has had its {inbox.config.follow_ups} follow-ups")
    new = ops.BatchedTask(
        workspace_id=task.workspace_id,
        source_id=inbox.source.id,
        external_id=f"{beginning}{failure.sha}",
        external_url=failure.url,
        title=f"Mend the checks of: {task.title}"[:LONGEST_TITLE],
        description="\n".join(_asked(failure, task)),
        context={"github": {"branch": failure.branch, "sha": failure.sha, "followUpOf": root}},
        depends_on=[task.id],
        **{name: getattr(task, name) for name in _INHERITED},
    )
    task_id = tasks.make_task(ctx, new).id
    if task.approved_by is not None:
        row = ctx.tx.first(sql_tasks.LOCK_TASK, id=task_id, viewer=None)
        assert row is not None
        tasks.vouch(ctx, row, task.approved_by)
    return Heard("made", task_id)


def _root_of(task: Row) -> str:
    """The task that a follow-up, of whatever depth, goes back to."""
    item = task.external_id or ""
    if not item.startswith(sql.FOLLOW_UP):
        return str(task.id)
    return item.removeprefix(sql.FOLLOW_UP).partition(":")[0]


def _told(failure: _Failure) -> Iterable[str]:
    name = " ".join(failure.name.split())[:_LONGEST_NAME]
    yield f"CI: {name} has failed ({failure.conclusion}) on commit {failure.sha} of {failure.branch}."
    if failure.url:
        yield failure.url


def _asked(failure: _Failure, task: Row) -> Iterable[str]:
    yield from _told(failure)
    yield ""
    yield f"That branch is the work of {task.id}, which is completed. Find out why the checks fail,"
    yield f"and mend it there: `git fetch origin {failure.branch}`, work on what you have fetched, and"
    yield f"push it to `{failure.branch}` again, so that its pull request has it."


def _own(payload: said.Payload, head: said.Head) -> bool:
    """Whether a branch is one of the repository itself."""
    at_home = payload.repository is not None and head.repo is not None
    return at_home and head.repo.id == payload.repository.id  # type: ignore[union-attr]


def _worker_of(inbox: Inbox, branch: str) -> str | None:
    """The attempt whose branch this is."""
    found = _BRANCH.fullmatch(branch)
    if found is None:
        return None
    row = inbox.ctx.tx.first(
        sql.WORKER_OF_BRANCH,
        task=found[1],
        workspace=inbox.source.workspace_id,
        branch=branch,
    )
    return None if row is None else str(row.id)
