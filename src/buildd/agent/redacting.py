"""The one way from an attempt to the server: nothing passes it with a secret in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, TypeVar

from buildd.client import AsyncClient, AsyncTransport
from buildd.events import Event, Filter
from buildd.operations import Operation
from buildd.redaction import Redactor

R = TypeVar("R")
Op = TypeVar("Op", bound=Operation[Any])


def redacting(client: AsyncClient, redactor: Redactor) -> AsyncClient:
    """The client, with the secrets taken out of all that is sent by it."""
    return AsyncClient(RedactingTransport(client.transport, redactor))


def redacted(operation: Op, redactor: Redactor) -> Op:
    """The operation without secrets in its fields."""
    clean = {
        name: redactor.redact_json(value)
        for name, value in operation
        if name in operation.model_fields_set
    }
    changed = {name: value for name, value in clean.items() if value != getattr(operation, name)}
    return operation.model_copy(update=changed) if changed else operation


class RedactingTransport:
    """A transport that takes secrets out of what it carries."""

    def __init__(self, inner: AsyncTransport, redactor: Redactor) -> None:
        self._inner = inner
        self._redactor = redactor

    async def send(self, operation: Operation[R]) -> R:
        """Have one operation done."""
        return await self._inner.send(redacted(operation, self._redactor))

    def events(self, after: int | None, wanted: Filter) -> AsyncGenerator[Event, None]:
        """Events after a `seq`."""
        return self._inner.events(after, wanted)

    def with_key(self, key: str) -> RedactingTransport:
        """The same connection with another credential."""
        return RedactingTransport(self._inner.with_key(key), self._redactor)

    async def aclose(self) -> None:
        """Let go of what the inner transport opened itself."""
        await self._inner.aclose()
