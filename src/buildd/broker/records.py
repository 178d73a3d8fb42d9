"""Artifacts, comments and messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from buildd import operations as ops
from buildd.broker import fence
from buildd.broker._context import EVENT_TEXT_LIMIT, Context, check_match, handles, jsonable, model
from buildd.broker._policy import own
from buildd.broker.idempotency import once
from buildd.errors import Forbidden, NotFound
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.models import Artifact, Attachment, Comment, Message, Role, Said, Selection
from buildd.states import LIVE, WorkerStatus
from buildd.store import Row
from buildd.store.sql import records as sql
from buildd.store.sql import workers as sql_workers

NO_FILE: Mapping[str, Any] = dict.fromkeys(("filename", "mime_type", "size", "digest"))
_SAID = ("content", "tool_name", "tool_input", "tool_output", "cost_usd")
_UNSAID: Mapping[str, Any] = dict.fromkeys((*_SAID, "answers"))


@handles(ops.CreateArtifact)
def create_artifact(ctx: Context, op: ops.CreateArtifact) -> Artifact:
    """Something the attempt made."""
    worker = fence.under_lease(ctx, op.worker_id)
    return keep_artifact(ctx, worker, op)


def keep_artifact(
    ctx: Context, worker: Row, op: ops.CreateArtifact, file: Mapping[str, Any] = NO_FILE
) -> Artifact:
    """Write an artifact down and tell the feed."""
    row = {"id": new_id(Kind.ARTIFACT), **op.fields(), **file, "created_at": ctx.tx.now}
    ctx.tx.run(sql.INSERT_ARTIFACT, **row)
    ctx.emit_worker(
        EventType.WORKER_ARTIFACT,
        worker,
        artifactId=row["id"],
        type=op.type.value,
        title=op.title,
    )
    return Artifact.model_validate(row)


@handles(ops.ListArtifacts)
def list_artifacts(ctx: Context, op: ops.ListArtifacts) -> list[Artifact]:
    """A page of a worker's artifacts."""
    _readable(ctx, op.worker_id)
    rows = ctx.tx.all(sql.ARTIFACTS, worker=op.worker_id, cursor=op.cursor, limit=op.limit)
    return [model(Artifact, row) for row in rows]


@handles(ops.GetArtifact)
def get_artifact(ctx: Context, op: ops.GetArtifact) -> Artifact:
    """One artifact."""
    return model(Artifact, _artifact(ctx, op.id))


@handles(ops.CreateComment)
def create_comment(ctx: Context, op: ops.CreateComment) -> Comment:
    """A remark; a running agent hears it."""
    artifact = _artifact(ctx, op.artifact_id)
    worker = fence.lock_worker(ctx, artifact.worker_id)
    row = {
        "id": new_id(Kind.COMMENT),
        "artifact_id": op.artifact_id,
        "worker_id": artifact.worker_id,
        "author": ctx.principal.name,
        "content": op.content,
        "selection": jsonable(op.selection),
        "resolved": False,
        "created_at": ctx.tx.now,
        "updated_at": ctx.tx.now,
    }
    ctx.tx.run(sql.INSERT_COMMENT, **row)
    _tell_comment(ctx, worker, row)
    if WorkerStatus(worker.status) in LIVE:
        about = artifact.title or artifact.type
        said = f"Comment on {about}: {_quoted(op.selection)}{op.content}"
        say(ctx, worker, Role.USER, said)
    return Comment.model_validate(row)


@handles(ops.ListComments)
def list_comments(ctx: Context, op: ops.ListComments) -> list[Comment]:
    """A page of the comments on an artifact."""
    _artifact(ctx, op.artifact_id)
    rows = ctx.tx.all(sql.COMMENTS, artifact=op.artifact_id, cursor=op.cursor, limit=op.limit)
    return [model(Comment, row) for row in rows]


@handles(ops.UpdateComment)
def update_comment(ctx: Context, op: ops.UpdateComment) -> Comment:
    """Change it, or mark it resolved or not."""
    row = ctx.tx.first(sql.LOCK_COMMENT, id=op.id, viewer=ctx.viewer)
    if row is None:
        raise NotFound("there is no such comment")
    check_match(op, Comment, row)
    if op.changes().get("content", row.content) != row.content and row.author != ctx.principal.name:
        raise Forbidden("only its author changes what a comment says")
    kept = {"content": row.content, "resolved": row.resolved}
    changed = ctx.tx.first(
        sql.CHANGE_COMMENT, of=op.id, **{**kept, **op.changes()}, updated_at=ctx.tx.now
    )
    assert changed is not None
    _tell_comment(ctx, _readable(ctx, changed.worker_id), changed._asdict())
    return model(Comment, changed)


@handles(ops.CreateMessage)
def create_message(ctx: Context, op: ops.CreateMessage) -> Message:
    """Said by the agent, or by a person to the agent."""
    if not ctx.by_lease:
        if op.role not in {None, Role.USER, Role.SYSTEM}:
            raise Forbidden("a person speaks as user or system")
        worker = fence.lock_worker(ctx, op.worker_id)
        return say(ctx, worker, op.role or Role.USER, op.content)
    [row] = _write(ctx, fence.under_lease(ctx, op.worker_id), [_by_agent(op)])
    return Message.model_validate(row)


@handles(ops.CreateMessages)
def create_messages(ctx: Context, op: ops.CreateMessages) -> list[Said]:
    """Said by the agent, in this order."""
    worker = fence.under_lease(ctx, op.worker_id)

    def write() -> list[Said]:
        rows = _write(ctx, worker, map(_by_agent, op.messages))
        return [Said(id=row["id"]) for row in rows]

    return once(ctx, op, write)


@handles(ops.ListMessages)
def list_messages(ctx: Context, op: ops.ListMessages) -> list[Message]:
    """A page of what was said; an attempt also hears what was said in the earlier ones."""
    _readable(ctx, op.worker_id, of_the_task=True)
    rows = ctx.tx.all(sql.MESSAGES, worker=op.worker_id, cursor=op.cursor, limit=op.limit)
    return [_message(ctx, row) for row in rows]


def say(
    ctx: Context, worker: Row, role: Role, content: str, *, answers: str | None = None
) -> Message:
    """Tell the agent something. Its worker must be locked."""
    last = ctx.tx.first(sql.LAST_TO_AGENT, worker=worker.id)
    told = {"role": role.value, "to_agent": True, "content": content, "answers": answers}
    # An agent asks for what comes after the last one it knows: ids must not overtake each other.
    [row] = _write(ctx, worker, [told], after=last.id if last else None)
    return Message.model_validate(row)


def _by_agent(new: ops.NewMessage) -> dict[str, Any]:
    said = {name: getattr(new, name) for name in _SAID}
    return {**said, "role": (new.role or Role.ASSISTANT).value, "to_agent": False}


def _write(
    ctx: Context, worker: Row, messages: Iterable[Mapping[str, Any]], *, after: str | None = None
) -> list[dict[str, Any]]:
    """Write messages down in their order, and tell the feed of each."""
    rows = []
    for each in messages:
        after = new_id(Kind.MESSAGE, after=after)
        made = {"id": after, "worker_id": worker.id, "created_at": ctx.tx.now}
        rows.append({**_UNSAID, **each, **made})
    ctx.tx.run_many(sql.INSERT_MESSAGE, rows)
    for row in rows:
        ctx.emit_worker(
            EventType.WORKER_MESSAGE,
            worker,
            messageId=row["id"],
            role=row["role"],
            content=row["content"][:EVENT_TEXT_LIMIT],
        )
    return rows


def messages_to_agent(ctx: Context, worker_id: str, after: str | None) -> list[Message]:
    """What persons said to an agent since the last message it processed."""
    rows = ctx.tx.all(sql.MESSAGES_TO_AGENT, worker=worker_id, after=after)
    return [_message(ctx, row) for row in rows]


def _message(ctx: Context, row: Row) -> Message:
    attachments = ctx.tx.all(sql.ATTACHMENTS, message=row.id)
    message = model(Message, row)
    files = [model(Attachment, each) for each in attachments]
    return message.model_copy(update={"attachments": files}) if files else message


def _readable(ctx: Context, worker_id: str, *, of_the_task: bool = False) -> Row:
    if ctx.by_lease and not of_the_task:
        own(ctx.principal.worker_id, worker_id)
    row = ctx.tx.first(sql_workers.WORKER_SEEN, id=worker_id, viewer=ctx.viewer)
    if row is None or (ctx.by_lease and row.task_id != ctx.principal.task_id):
        raise NotFound("there is no such worker")
    return row


def _artifact(ctx: Context, artifact_id: str) -> Row:
    row = ctx.tx.first(sql.ARTIFACT, id=artifact_id, viewer=ctx.viewer)
    if row is None or (ctx.by_lease and row.worker_id != ctx.principal.worker_id):
        raise NotFound("there is no such artifact")
    return row


def _quoted(selection: Selection | None) -> str:
    """The part that a comment is about: without it an agent cannot tell which line is meant."""
    text = selection.text[:EVENT_TEXT_LIMIT] if selection and selection.text else ""
    return "".join(f"\n> {line}" for line in text.splitlines()) + "\n\n" if text else ""


def _tell_comment(ctx: Context, worker: Row, row: dict[str, Any]) -> None:
    ctx.emit_worker(
        EventType.WORKER_COMMENT,
        worker,
        commentId=row["id"],
        artifactId=row["artifact_id"],
        content=row["content"][:EVENT_TEXT_LIMIT],
        resolved=row["resolved"],
    )
