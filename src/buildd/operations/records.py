"""What an attempt leaves behind: artifacts, comments on them, and messages."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from buildd.models import (
    Artifact,
    ArtifactType,
    Comment,
    Message,
    PullRequest,
    Role,
    Said,
    Selection,
)
from buildd.models._model import Flag, Id, Json, JsonAny, LongText, Name, Prompt, Title, Usd
from buildd.operations._operation import Access, Operation, Patch, create, get, patch, post
from buildd.operations._paging import Paged

MAX_MESSAGES = 100


class CreateArtifact(Operation[Artifact]):
    """Show people something the attempt made."""

    http = create("/api/workers/{worker_id}/artifacts")
    access = Access.LEASE
    worker_id: Id
    type: ArtifactType
    title: Title | None = None
    content: LongText | None = None
    metadata: Json = {}


class ListArtifacts(Paged, Operation[list[Artifact]]):
    """A worker's artifacts, newest first."""

    http = get("/api/workers/{worker_id}/artifacts")
    access = Access.READER
    worker_id: Id


class GetArtifact(Operation[Artifact]):
    """One artifact with its content."""

    http = get("/api/artifacts/{id}")
    access = Access.READER
    id: Id


class OpenPullRequest(Operation[PullRequest]):
    """Have the server open a pull request of the attempt's pushed branch, with its own credentials.

    It becomes an artifact of the worker. Asked again, the answer is the one that is open.
    """

    http = post("/api/workers/{id}/pull-request")
    access = Access.LEASE
    id: Id
    title: Title
    body: LongText = ""
    base: Name | None = None
    """The branch it is to go to; the repository's default branch if not given."""
    draft: Flag = False


class CreateComment(Operation[Comment]):
    """Remark on an artifact, perhaps on a part of it; a running agent receives it as a message."""

    http = create("/api/artifacts/{artifact_id}/comments")
    access = Access.MEMBER
    artifact_id: Id
    content: Prompt
    selection: Selection | None = None


class ListComments(Paged, Operation[list[Comment]]):
    """The comments on an artifact, newest first."""

    http = get("/api/artifacts/{artifact_id}/comments")
    access = Access.READER
    artifact_id: Id


class UpdateComment(Patch[Comment]):
    """Change a comment, or mark it resolved."""

    http = patch("/api/comments/{id}")
    access = Access.MEMBER
    id: Id
    content: Prompt = ""
    resolved: Flag = False


class NewMessage(BaseModel, defer_build=True):
    """What a message is made of."""

    content: LongText
    role: Role | None = None
    tool_name: Name | None = None
    tool_input: JsonAny = None
    tool_output: JsonAny = None
    cost_usd: Usd | None = None


class CreateMessage(NewMessage, Operation[Message]):
    """Say something: an agent about its work, or a person to the agent (then the role is `user`)."""

    http = create("/api/workers/{worker_id}/messages")
    access = Access.MEMBER_OR_LEASE
    worker_id: Id


class BatchedMessage(NewMessage):
    """One message of a batch."""

    model_config = Operation.model_config


class CreateMessages(Operation[list[Said]]):
    """Say many things about one's work, in their order: all of them or, if one is refused, none."""

    http = create("/api/workers/{worker_id}/messages/batch", idempotent=True)
    access = Access.LEASE
    worker_id: Id
    messages: Annotated[list[BatchedMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    idempotency_key: Name | None = None


class ListMessages(Paged, Operation[list[Message]]):
    """What was said during an attempt, newest first."""

    http = get("/api/workers/{worker_id}/messages")
    access = Access.READER
    worker_id: Id
