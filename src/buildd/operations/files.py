"""Files on their way in and out: what is said about one, while its bytes travel beside it.

They stand outside of the table of operations, because no value holds what they carry.
"""

from __future__ import annotations

import json
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from buildd.models import Artifact, ArtifactType, Attachment
from buildd.models._model import Filename, Id, Json, MimeType, Title
from buildd.operations._operation import Access, Http, Method, Operation, get

R = TypeVar("R", covariant=True)

_CONTENT_TYPE = (("mime_type", "Content-Type"),)


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError("must be a JSON object") from None


JsonText = Annotated[
    Json,
    BeforeValidator(_parsed),
    PlainSerializer(json.dumps, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "contentMediaType": "application/json"}),
]
"""A JSON object that travels in the query."""


class Transfer(BaseModel):
    """What is said about a file: its fields travel in the path, the query and the headers."""

    model_config = Operation.model_config

    http: ClassVar[Http]
    access: ClassVar[Access]


class Upload(Transfer, Generic[R]):
    """A file on its way in. The body of the request is the file, as it is."""

    answers: ClassVar[type[Any]]
    filename: Filename = "file"
    mime_type: MimeType = "application/octet-stream"

    def __class_getitem__(cls, answer: Any) -> Any:
        """Only say what it answers: pydantic would build this class, and make one of that."""
        return GenericAlias(cls, answer)


class UploadArtifact(Upload[Artifact]):
    """Show people a file that the attempt made."""

    http = Http(Method.POST, "/api/workers/{worker_id}/artifacts/content", 201, _CONTENT_TYPE)
    access = Access.LEASE
    answers = Artifact
    worker_id: Id
    type: ArtifactType = ArtifactType.FILE
    title: Title | None = None
    metadata: JsonText = Field(default_factory=dict)


class UploadAttachment(Upload[Attachment]):
    """Add a file to what was said: people to what people said, the agent to what it said itself."""

    http = Http(Method.POST, "/api/messages/{message_id}/attachments", 201, _CONTENT_TYPE)
    access = Access.MEMBER_OR_LEASE
    answers = Attachment
    message_id: Id


class Download(Transfer):
    """A file on its way out."""

    id: Id


class DownloadArtifact(Download):
    """The bytes of an artifact; of one that is no file, its content as UTF-8 text."""

    http = get("/api/artifacts/{id}/content")
    access = Access.READER


class DownloadAttachment(Download):
    """The bytes of an attachment."""

    http = get("/api/attachments/{id}")
    access = Access.READER


TRANSFERS: tuple[type[Transfer], ...] = (
    UploadArtifact,
    DownloadArtifact,
    UploadAttachment,
    DownloadAttachment,
)
"""All of them, in the order the documentation shows them."""
