"""How a task is going, told on its issue: one comment for each task, which is changed as it goes.

It says how things are when it is written, not what an event said, so that it does not matter in which
order deliveries come. Only one at a time writes the comment of a task, in whatever server.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import anyio.to_thread

from buildd.broker._context import Context
from buildd.broker.github_source.inbox import config_of
from buildd.broker.github_source.wording import State, mark_of, wording
from buildd.broker.relay.pace import RelayPace
from buildd.broker.relay.senders import Answer, Draft, Send
from buildd.errors import BuilddError, RateLimited, Unavailable
from buildd.events import Event, EventType
from buildd.ids import derived
from buildd.models import ArtifactType
from buildd.roles import Commenter, CommentOrder
from buildd.states import DeliveryVerb, WorkerStatus
from buildd.store import Row, Transaction
from buildd.store.sql import github as sql
from buildd.store.sql import tasks as sql_tasks
from buildd.store.sql import workspaces as sql_workspaces
from buildd.telling import TargetKind

_TYPE = "comment"
_TURN = timedelta(seconds=RelayPace.lease)
"""For how long nobody else writes the comment: longer than writing it takes."""
_CODE = 16
_ISSUE = "/issues/"


@dataclass(frozen=True)
class _Commented(Answer):
    """The comment stands."""

    comment_id: str = ""
    digest: str = ""


class _LeftAlone(Answer):
    """Nothing was written: whoever writes the comment now goes on."""


class CommentSender:
    """Writes the comments, through a forge."""

    kind = TargetKind.GITHUB

    def __init__(self, forge: Commenter) -> None:
        self._forge = forge

    def since(self, tx: Transaction) -> int | None:
        """From the beginning, if any task could come from an issue."""
        return None if tx.first(sql.A_GITHUB_SOURCE) is None else 0

    def drafts(self, tx: Transaction, events: Sequence[Event]) -> Iterator[Draft]:
        """One for each task of an issue that something has happened to, however much it was."""
        last = {event.task_id: event for event in events if event.task_id and _matters(event)}
        for task_id, event in last.items():
            if tx.first(sql.ISSUE_OF_TASK, task=task_id) is not None:
                yield Draft(task_id, _TYPE, event.seq, "")

    def prepare(self, ctx: Context, delivery: Row) -> Send | None:
        """Write what there is to say now; None if there is no such task or it is not to be said."""
        task = ctx.tx.first(sql_tasks.TASK_SEEN, id=delivery.target_id, viewer=None)
        source = task and ctx.tx.first(sql_workspaces.SOURCE, id=task.source_id)
        if task is None or source is None:
            return None
        known = ctx.tx.first(sql.COMMENT, task=task.id)
        order = _order(ctx, task, source, known)
        if order is None:
            return None
        digest = hashlib.sha256(order.body.encode()).hexdigest()
        if known is not None and known.digest == digest:
            return _said_already
        if known is not None and known.busy_until is not None and known.busy_until > ctx.tx.now:
            return _busy
        ctx.tx.run(
            sql.WRITE_COMMENT,
            task_id=task.id,
            comment_id=known and known.comment_id,
            digest=None,
            busy_until=ctx.tx.now + _TURN,
        )
        return partial(self._write, order, digest)

    def settled(self, ctx: Context, delivery: Row, answer: Answer) -> None:
        """Let others write it, and note which one it is."""
        if isinstance(answer, _Commented):
            written = {"comment": answer.comment_id, "digest": answer.digest}
            ctx.tx.run(sql.WROTE_COMMENT, task=delivery.target_id, **written)
        elif not isinstance(answer, _LeftAlone):
            ctx.tx.run(sql.FREE_COMMENT, task=delivery.target_id)

    async def _write(self, order: CommentOrder, digest: str) -> Answer:
        try:
            comment_id = await anyio.to_thread.run_sync(self._forge.comment, order)
        except (RateLimited, Unavailable) as problem:
            return Answer.later(problem.message)
        except BuilddError as problem:
            return Answer.never(problem.message)
        return _Commented(DeliveryVerb.DELIVER, comment_id=comment_id, digest=digest)


async def _busy() -> Answer:
    return _LeftAlone.later("it is being written")


async def _said_already() -> Answer:
    return _LeftAlone(DeliveryVerb.DELIVER)


def _matters(event: Event) -> bool:
    """Whether the comment may have to say something else now."""
    if event.type is EventType.WORKER_STATUS:
        return event.data.get("previousStatus") == WorkerStatus.WAITING_INPUT
    return not event.data.get("deleted")


def _order(ctx: Context, task: Row, source: Row, known: Row | None) -> CommentOrder | None:
    config, issue = config_of(source), _issue(task)
    if issue is None or not config.comments:
        return None
    mark = mark_of(task.id, derived(f"comment:{task.id}", ctx.pepper).hex()[:_CODE])
    unsure = known is not None and known.comment_id is None
    return CommentOrder(
        repository=config.repository,
        issue=issue,
        mark=mark,
        body=wording(mark, _state(ctx, task)),
        comment_id=known and known.comment_id,
        maybe_since=task.created_at if unsure else None,
    )


def _issue(task: Row) -> int | None:
    """The issue's number. People may have written anything there meanwhile."""
    told = task.context.get("github")
    number = told.get("issue") if isinstance(told, dict) else None
    return number if isinstance(number, int) and number > 0 else None


def _state(ctx: Context, task: Row) -> State:
    worker = ctx.tx.first(sql.LAST_WORKER, task=task.id)
    made = ctx.tx.all(sql.TOLD_ARTIFACTS, worker=worker.id) if worker else []
    newest = {each.type: each.content for each in reversed(made) if each.content}
    url = newest.get(ArtifactType.PULL_REQUEST, "")
    # The agent may have written anything there: only what leads into the same repository is a link.
    place = re.escape((task.external_url or "").rpartition(_ISSUE)[0])
    shown = url if place and re.fullmatch(rf"{place}/pull/[0-9]+", url) else None
    return State(task, worker, shown, newest.get(ArtifactType.SUMMARY))
