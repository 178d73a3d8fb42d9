"""An issue with the source's label is a task: made of it, following it, called off with it."""

from __future__ import annotations

from typing import Any

from buildd import operations as ops
from buildd.broker import tasks
from buildd.broker.github_source.inbox import Heard, Inbox, task_of
from buildd.broker.github_source.payloads import IssuesPayload
from buildd.errors import WrongState
from buildd.models import ArtifactType
from buildd.models.github import PERSON, Issue
from buildd.routing import RunnerPreference
from buildd.states import CLOSED, TASK, TaskStatus
from buildd.store import Row
from buildd.store.sql import github as sql
from buildd.store.sql import tasks as sql_tasks

_RELABELLED = frozenset({"labeled", "unlabeled"})
_AGAIN = "#"
"""Stands between an issue's id and the number of a further task of it."""


def follow(inbox: Inbox, payload: IssuesPayload) -> Heard:
    """Have the task that the issue stands for now."""
    tx, issue = inbox.ctx.tx, payload.issue
    known = tx.first(sql.ISSUE, source=inbox.source.id, issue=str(issue.id))
    last_heard = known.changed_at if known else issue.updated_at
    if issue.updated_at < last_heard and not payload.gone:
        return Heard("something newer was heard before")
    task = task_of(inbox, str(issue.id), known)
    if not payload.gone and issue.wanted(inbox.config):
        heard = _take(inbox, payload, task)
    else:
        heard = _drop(inbox, payload, task)
    tx.run(
        sql.KNOW_ISSUE,
        source_id=inbox.source.id,
        issue_id=str(issue.id),
        task_id=heard.changed or (task and task.id),
        changed_at=max(issue.updated_at, last_heard),
    )
    return heard


def _take(inbox: Inbox, payload: IssuesPayload, task: Row | None) -> Heard:
    """There should be a task: have it, and have it say what the issue says."""
    issue, asked = payload.issue, _asked_for(inbox, payload)
    if task is None:
        heard = _make(inbox, issue, str(issue.id))
    elif TaskStatus(task.status) not in CLOSED:
        heard = _change(inbox, payload, task)
    elif not asked and payload.action != "reopened":
        return Heard(f"{task.id} is {task.status}")
    elif TaskStatus(task.status) is TaskStatus.COMPLETED:
        heard = _make(inbox, issue, _next_item(task, issue))
    else:
        tasks.retry_task(inbox.ctx, ops.RetryTask(id=task.id))
        _change(inbox, payload, task._replace(status=TASK.initial.value))
        heard = Heard("took up again", task.id)
    if asked and inbox.config.label_approves:
        _vouch(inbox, payload, heard.changed or task.id)  # type: ignore[union-attr]
    return heard


def _asked_for(inbox: Inbox, payload: IssuesPayload) -> bool:
    """Whether the very label was set that makes an issue a task."""
    label = payload.label
    return payload.action == "labeled" and label is not None and label.name == inbox.config.label


def _make(inbox: Inbox, issue: Issue, item: str) -> Heard:
    new = ops.BatchedTask(
        workspace_id=inbox.source.workspace_id,
        source_id=inbox.source.id,
        external_id=item,
        **issue.text(),
        **_route(inbox, issue),
    )
    return Heard("made", tasks.make_task(inbox.ctx, new).id)


def _next_item(task: Row, issue: Issue) -> str:
    """What a further task of an issue is called, after the one before."""
    number = task.external_id.partition(_AGAIN)[2]
    return f"{issue.id}{_AGAIN}{int(number or 1) + 1}"


def _change(inbox: Inbox, payload: IssuesPayload, task: Row) -> Heard:
    """The task follows its issue, as long as nobody works on it."""
    follows = payload.issue.text()
    if payload.action in _RELABELLED:
        follows |= _route(inbox, payload.issue)
    if all(getattr(task, name) == follows[name] for name in follows):
        return Heard(f"nothing new for {task.id}")
    try:
        tasks.update_task(inbox.ctx, ops.UpdateTask(id=task.id, **follows))
    except WrongState:
        return Heard(f"somebody works on {task.id}")
    return Heard("changed", task.id)


def _route(inbox: Inbox, issue: Issue) -> dict[str, Any]:
    """Who is to do it and when, as its labels say; what they do not say is as for any task."""
    route = inbox.config.routed(issue.label_names)
    return {
        "priority": route.priority or 0,
        "runner_preference": route.runner_preference or RunnerPreference.ANY,
        "required_capabilities": route.required_capabilities,
    }


def _drop(inbox: Inbox, payload: IssuesPayload, task: Row | None) -> Heard:
    """There should be none. What is being worked on is called off only with its issue."""
    if task is None:
        return Heard("it is no task")
    status = TaskStatus(task.status)
    if status in CLOSED:
        return Heard(f"{task.id} is {status}")
    if status is not TASK.initial and not _ends(inbox, payload, task):
        return Heard(f"somebody works on {task.id}")
    try:
        tasks.cancel_task(inbox.ctx, ops.CancelTask(id=task.id))
    except WrongState:
        return Heard(f"{task.id} is over")
    return Heard("cancelled", task.id)


def _ends(inbox: Inbox, payload: IssuesPayload, task: Row) -> bool:
    """Whether work that was begun is to stop.

    An issue that a merged pull request has closed is done, perhaps by the very attempt that has
    opened that: it is left to report.
    """
    if payload.gone:
        return True
    opened = {"worker": task.worker_id, "type": ArtifactType.PULL_REQUEST.value}
    done = payload.issue.state_reason == "completed" and inbox.ctx.tx.first(
        sql.HAS_ARTIFACT, **opened
    )
    return payload.issue.state == "closed" and not done


def _vouch(inbox: Inbox, payload: IssuesPayload, task_id: str) -> None:
    """Setting the label is approval, if it is the config's word for that and not the author who does.

    An author sets labels too, by a template; and a program does what others make it do.
    """
    sender, author = payload.sender, payload.issue.user
    if sender is None or sender.type != PERSON or (author and author.id == sender.id):
        return
    row = inbox.ctx.tx.first(sql_tasks.LOCK_TASK, id=task_id, viewer=None)
    assert row is not None
    tasks.vouch(inbox.ctx, row, f"github:{sender.login}")
