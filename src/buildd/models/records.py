"""What an attempt leaves behind: artifacts, comments, messages and their attachments."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import JsonValue, model_validator

from buildd.models._model import (
    AtLeastOne,
    Count,
    Filename,
    Flag,
    Id,
    Json,
    LongText,
    MimeType,
    Model,
    Name,
    Prompt,
    Text,
    Time,
    Title,
    Usd,
)


class ArtifactType(StrEnum):
    """What an artifact is."""

    TASK_PLAN = "task_plan"
    IMPL_PLAN = "impl_plan"
    DIFF = "diff"
    SUMMARY = "summary"
    WALKTHROUGH = "walkthrough"
    SCREENSHOT = "screenshot"
    RECORDING = "recording"
    PULL_REQUEST = "pull_request"
    LINK = "link"
    FILE = "file"


class Artifact(Model):
    """Something a worker made, for people to look at: text, or a file which is had separately."""

    id: Id
    worker_id: Id
    type: ArtifactType
    title: Title | None = None
    content: LongText | None = None
    metadata: Json = {}
    filename: Filename | None = None
    mime_type: MimeType | None = None
    size: Count | None = None
    """Bytes of the file, if it is one."""
    digest: Text | None = None
    """The SHA-256 of its bytes in hex."""
    created_at: Time


class PullRequest(Model):
    """A pull request that the server opened for an attempt."""

    url: Text
    number: AtLeastOne
    branch: Text
    """Where the work is."""
    base: Text
    """Where it is to go."""
    draft: Flag = False


class Selection(Model):
    """The part of an artifact's content that a comment is about, in characters."""

    start: Count
    end: Count
    text: Text | None = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.end < self.start:
            raise ValueError("must not end before it starts")
        return self


class Comment(Model):
    """A remark on an artifact or a worker; it reaches the running agent as a message."""

    id: Id
    artifact_id: Id | None = None
    worker_id: Id
    author: Name
    content: LongText
    selection: Selection | None = None
    resolved: Flag = False
    created_at: Time
    updated_at: Time


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    TOOL = "tool"


class Attachment(Model):
    """A file that came with a message; `digest` is the SHA-256 of its bytes in hex."""

    id: Id
    message_id: Id
    filename: Filename
    mime_type: MimeType
    size: Count
    digest: Text
    created_at: Time


class Message(Model):
    """One thing said during an attempt."""

    id: Id
    worker_id: Id
    role: Role
    content: LongText | None = None
    tool_name: Name | None = None
    tool_input: JsonValue = None
    tool_output: JsonValue = None
    cost_usd: Usd | None = None
    answers: Prompt | None = None
    """The question that this is a person's answer to; None for all else that is said."""
    attachments: list[Attachment] = []
    created_at: Time


class Said(Model):
    """One of many messages that were said at once: what its speaker does not know yet."""

    id: Id
