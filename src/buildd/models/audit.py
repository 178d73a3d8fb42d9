"""The audit log as it is read: who did what, when, from where."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from buildd.chain import seal
from buildd.models._model import Id, Model, Text, Time


def _words(value: object) -> object:
    return value.split() if isinstance(value, str) else value


class AuditEntry(Model):
    """One call that was accepted. It is never changed, and its hash seals it with all before it."""

    seq: Annotated[int, Field(ge=1, lt=2**53)]
    """Counts from 1, without gaps, in the order of commits."""
    at: Time
    actor: Text
    """Who called: `admin`, `account`, `lease`, `acquire`, `enrol`, a GitHub Actions `run`, or a `source`."""
    account_id: Id | None = None
    key_id: Id | None = None
    session: Text | None = None
    """The browser's session that stood for the key: the beginning of its digest."""
    worker_id: Id | None = None
    """The attempt whose lease token it was."""
    launch_id: Id | None = None
    """The launch that the caller came in by."""
    action: Text
    """The operation, by its `operationId`."""
    subjects: Annotated[list[Id], BeforeValidator(_words)]
    """The ids it was about: those that it named, and what it made."""
    outcome: Text
    """`done`, or the code of the error with which it was refused after something had changed."""
    request_id: Text | None = None
    address: Text | None = None
    """Where it came from; none for a program that works on the database itself."""
    digest: Text
    """The SHA-256 of its arguments, secrets left out, in hex."""
    previous: Text
    """The hash of the entry before."""
    hash: Text

    @property
    def id(self) -> str:
        """What a page of them continues after."""
        return str(self.seq)

    def sealed(self) -> str:
        """The hash that its content has now."""
        return seal(
            self.model_dump(mode="json", by_alias=True, exclude={"hash"}, exclude_none=True)
        )
