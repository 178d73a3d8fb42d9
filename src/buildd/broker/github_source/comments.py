"""What people who may write in the repository say on an issue, said to the agent at work on it."""

from __future__ import annotations

from buildd import operations as ops
from buildd.broker import fence, workers
from buildd.broker.github_source.inbox import Heard, Inbox, task_of
from buildd.broker.github_source.payloads import Comment, CommentPayload
from buildd.broker.records import say
from buildd.models import Role
from buildd.models.github import trust_in
from buildd.routing import Trust
from buildd.states import LIVE, WorkerStatus
from buildd.store import Row
from buildd.store.sql import github as sql

MARK = "<!-- buildd:"
"""How the comments begin that buildd itself writes."""
ANSWER = "/answer"
"""How a comment begins that is the answer to what the agent asked."""
NOBODY = "nobody works on it"


def pass_on(inbox: Inbox, payload: CommentPayload) -> Heard:
    """Tell the agent, if there is one and it is one of us who speaks."""
    comment = payload.comment
    if MARK in comment.body:
        return Heard("it is our own")
    if trust_in(comment.user, comment.author_association) is Trust.PUBLIC:
        return Heard("a stranger's words reach no agent")
    worker = _at_work(inbox, str(payload.issue.id))
    if worker is None:
        return Heard(NOBODY)
    command, _, answer = comment.body.partition(" ")
    waits = WorkerStatus(worker.status) is WorkerStatus.WAITING_INPUT
    if waits and command.strip() == ANSWER and answer.strip():
        workers.answer_worker(inbox.ctx, ops.AnswerWorker(id=worker.id, content=answer.strip()))
        return Heard("answered", worker.id)
    say(inbox.ctx, worker, Role.USER, _told(comment))
    return Heard("told", worker.id)


def _at_work(inbox: Inbox, issue_id: str) -> Row | None:
    """The attempt at the issue's task that is alive, unchanged by others until the commit."""
    known = inbox.ctx.tx.first(sql.ISSUE, source=inbox.source.id, issue=issue_id)
    task = task_of(inbox, issue_id, known)
    if task is None or task.worker_id is None:
        return None
    worker = fence.lock_worker(inbox.ctx, task.worker_id)
    return worker if WorkerStatus(worker.status) in LIVE else None


def _told(comment: Comment) -> str:
    who = comment.user.login if comment.user else "somebody"
    return f"Comment of {who} on the issue ({comment.html_url}):\n\n{comment.body}"
