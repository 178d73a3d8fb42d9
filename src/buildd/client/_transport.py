"""The seam: all that differs between a broker in this process and one behind HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from typing import Protocol, TypeVar

from buildd.errors import ConfigError
from buildd.events import Event, Filter
from buildd.operations import Download, Operation, Upload

R = TypeVar("R")


def checked(key: str) -> str:
    """A key as it can travel. Raises `ConfigError`, which does not repeat it."""
    if not (key and key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError("the API key is empty, or holds a space or a line break")
    return key


class AsyncTransport(Protocol):
    """Carries operations to a broker, and events back."""

    async def send(self, operation: Operation[R]) -> R:
        """Have one operation done. Raises the `buildd.errors` class that the broker raised."""
        ...

    async def upload(self, upload: Upload[R], content: AsyncIterable[bytes]) -> R:
        """Carry a file to the broker, piece by piece. Raises as `send` does."""
        ...

    def download(self, download: Download) -> AsyncGenerator[bytes, None]:
        """Carry a file back, piece by piece."""
        ...

    def events(self, after: int | None, wanted: Filter) -> AsyncGenerator[Event, None]:
        """Events after a `seq`, for ever; resumes by itself."""
        ...

    def with_key(self, key: str) -> AsyncTransport:
        """The same connection with another credential."""
        ...

    async def aclose(self) -> None:
        """Let go of what this transport opened itself."""
        ...


class Transport(Protocol):
    """The same for callers that block."""

    def send(self, operation: Operation[R]) -> R:
        """Have one operation done. Raises the `buildd.errors` class that the broker raised."""
        ...

    def upload(self, upload: Upload[R], content: Iterable[bytes]) -> R:
        """Carry a file to the broker, piece by piece. Raises as `send` does."""
        ...

    def download(self, download: Download) -> Generator[bytes, None, None]:
        """Carry a file back, piece by piece."""
        ...

    def events(self, after: int | None, wanted: Filter) -> Generator[Event, None, None]:
        """Events after a `seq`, for ever; resumes by itself."""
        ...

    def with_key(self, key: str) -> Transport:
        """The same connection with another credential."""
        ...

    def close(self) -> None:
        """Let go of what this transport opened itself."""
        ...
