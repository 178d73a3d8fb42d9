"""The bytes of a file that is to be uploaded, piece by piece: for those who block, and for loops."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from pathlib import Path

from anyio import to_thread

from buildd.blobs import PIECE

Source = Path | bytes | Iterable[bytes]
"""What can be uploaded: a file, what is in memory, or what comes bit by bit."""
AsyncSource = Path | bytes | AsyncIterable[bytes]
"""The same for event loops."""


def pieces(content: Source) -> Iterator[bytes]:
    """The bytes of it."""
    match content:
        case Path():
            with content.open("rb") as file:
                while data := file.read(PIECE):
                    yield data
        case bytes():
            yield content
        case _:
            yield from content


async def async_pieces(content: AsyncSource) -> AsyncIterator[bytes]:
    """The same for an event loop, which never waits for a disk."""
    match content:
        case Path():
            file = await to_thread.run_sync(content.open, "rb")
            try:
                while data := await to_thread.run_sync(file.read, PIECE):
                    yield data
            finally:
                file.close()
        case bytes():
            yield content
        case _:
            async for data in content:
                yield data


def named(content: object, given: object) -> dict[str, str]:
    """What a file is called and what type that makes it, as far as one can tell."""
    name = (
        given if isinstance(given, str) else (content.name if isinstance(content, Path) else None)
    )
    if name is None:
        return {}
    guessed = mimetypes.guess_type(name)[0]
    return {"filename": name} | ({"mime_type": guessed} if guessed else {})
