"""The one way from an attempt to the server: nothing passes it with a secret in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import TypeVar

from pydantic import BaseModel

from buildd.client import AsyncClient, AsyncTransport
from buildd.events import Event, Filter
from buildd.operations import Download, Operation, Upload
from buildd.redaction import RedactedBytes, Redactor

R = TypeVar("R")
Op = TypeVar("Op", bound=BaseModel)


def redacting(client: AsyncClient, redactor: Redactor) -> AsyncClient:
    """The client, with the secrets taken out of all that is sent by it."""
    return AsyncClient(RedactingTransport(client.transport, redactor))


def redacted(operation: Op, redactor: Redactor) -> Op:
    """The operation without secrets in its fields, and in those of what it consists of."""
    clean = {
        name: _clean(value, redactor)
        for name, value in operation
        if name in operation.model_fields_set
    }
    changed = {name: value for name, value in clean.items() if value != getattr(operation, name)}
    return operation.model_copy(update=changed) if changed else operation


def _clean(value: object, redactor: Redactor) -> object:
    match value:
        case BaseModel():
            return redacted(value, redactor)
        case list():
            return [_clean(each, redactor) for each in value]
        case _:
            return redactor.redact_json(value)


class RedactingTransport:
    """A transport that takes secrets out of what it carries."""

    def __init__(self, inner: AsyncTransport, redactor: Redactor) -> None:
        self._inner = inner
        self._redactor = redactor

    async def send(self, operation: Operation[R]) -> R:
        """Have one operation done."""
        return await self._inner.send(redacted(operation, self._redactor))

    async def upload(self, upload: Upload[R], content: AsyncIterable[bytes]) -> R:
        """Carry a file to the broker, without the secrets that are in it."""
        clean = _without_secrets(content, self._redactor)
        return await self._inner.upload(redacted(upload, self._redactor), clean)

    def download(self, download: Download) -> AsyncGenerator[bytes, None]:
        """Carry a file back, as it is."""
        return self._inner.download(download)

    def events(self, after: int | None, wanted: Filter) -> AsyncGenerator[Event, None]:
        """Events after a `seq`."""
        return self._inner.events(after, wanted)

    def with_key(self, key: str) -> RedactingTransport:
        """The same connection with another credential."""
        return RedactingTransport(self._inner.with_key(key), self._redactor)

    async def aclose(self) -> None:
        """Let go of what the inner transport opened itself."""
        await self._inner.aclose()


async def _without_secrets(
    content: AsyncIterable[bytes], redactor: Redactor
) -> AsyncIterator[bytes]:
    """Whatever kind of file it is: one that breaks for want of a secret is better than the secret."""
    stream = RedactedBytes(redactor)
    async for data in content:
        yield await asyncio.to_thread(stream.feed, data)
    yield stream.close()
