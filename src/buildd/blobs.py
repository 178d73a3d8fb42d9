"""Where the bytes of files are kept: under their SHA-256, outside of the database.

A place is never used twice: its name is the digest and something random. So nothing that removes an
old one, however late, can take away what has come since; which place holds a digest now, the
database tells.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Protocol, Self

from buildd.errors import ConfigError, Unavailable

PIECE = 256 * 1024
"""Bytes that are in memory at a time, of each file that is read or written."""

PLACE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}-[0-9a-f]{16}")
_INCOMING = "incoming"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class FileLimits:
    """How much may be uploaded."""

    file_bytes: int = 100 * 2**20
    """Of one file."""
    worker_bytes: int = 2**30
    """Of all files of one worker."""
    worker_files: int = 1000


class Received(NamedTuple):
    """A file that is kept."""

    digest: str
    """Its SHA-256 in hex."""
    size: int
    place: str


class Incoming(Protocol):
    """A file on its way in. Leaving it as a context manager throws away what was not finished."""

    @property
    def size(self) -> int:
        """Bytes so far."""
        ...

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        ...

    def finish(self) -> Received:
        """Keep it: after this not even a power cut loses it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Blobs(Protocol):
    """Keeps bytes. Any thread may use it, and any number of processes. Raises `Unavailable`."""

    def check(self) -> None:
        """Raises `ConfigError` if nothing can be kept."""
        ...

    def receive(self) -> Incoming:
        """Begin with a file."""
        ...

    def open(self, place: str) -> BinaryIO | None:
        """What is kept at a place; None if nothing is."""
        ...

    def size(self, place: str) -> int | None:
        """Bytes at a place; None if there is nothing."""
        ...

    def remove(self, place: str) -> None:
        """Empty a place; it may be empty already."""
        ...

    def older_than(self, seconds: float) -> Iterator[str]:
        """Every place that was filled so long ago; throws away what never got there."""
        ...


def place_of(digest: str) -> str:
    """A new place for bytes with that digest."""
    return f"{digest[:2]}/{digest}-{secrets.token_hex(8)}"


class DiskBlobs:
    """Keeps them in a directory, which only its owner may read. It is made when it is needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self) -> None:
        """Raises `ConfigError` if the directory cannot be made or written to."""
        try:
            _make(self.root)
        except OSError as problem:
            raise ConfigError(f"BUILDD_BLOBS: cannot use {self.root}: {problem.strerror}") from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise ConfigError(f"BUILDD_BLOBS: cannot write to {self.root}")

    def receive(self) -> DiskIncoming:
        """Begin with a file."""
        with _explained():
            _make(self.root / _INCOMING)
            return DiskIncoming(self.root)

    def open(self, place: str) -> BinaryIO | None:
        """What is kept at a place."""
        with _explained(), contextlib.suppress(FileNotFoundError):
            return self._path(place).open("rb")
        return None

    def size(self, place: str) -> int | None:
        """Bytes at a place."""
        with _explained(), contextlib.suppress(FileNotFoundError):
            return self._path(place).stat().st_size
        return None

    def remove(self, place: str) -> None:
        """Empty a place."""
        with _explained():
            self._path(place).unlink(missing_ok=True)

    def older_than(self, seconds: float) -> Iterator[str]:
        """Every place that was filled so long ago."""
        before = time.time() - seconds
        with _explained():
            for path in self.root.glob("*/*"):
                place = f"{path.parent.name}/{path.name}"
                if not _is_older(path, before):
                    continue
                if path.parent.name == _INCOMING:
                    path.unlink(missing_ok=True)
                elif PLACE.fullmatch(place):
                    yield place

    def _path(self, place: str) -> Path:
        if not PLACE.fullmatch(place):
            raise ValueError(f"not a place: {place!r}")
        return self.root / place


class DiskIncoming:
    """A file in the directory of those that are not whole yet."""

    def __init__(self, root: Path) -> None:
        self.size = 0
        self._root = root
        self._path = root / _INCOMING / secrets.token_hex(16)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self._path, flags, 0o600), "wb")
        self._hash = hashlib.sha256()
        self._kept = False

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        with _explained():
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> Received:
        """Keep it."""
        digest = self._hash.hexdigest()
        place = place_of(digest)
        with _explained():
            self._file.flush()
            os.fsync(self._file.fileno())
            path = self._root / place
            _make(path.parent)
            self._path.rename(path)
            self._kept = True
            _sync(path.parent)
        return Received(digest, self.size, place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it, and throw it away if it was not kept."""
        with contextlib.suppress(OSError):  # a disk that is full is full for the last bytes too
            self._file.close()
        if not self._kept:
            with contextlib.suppress(OSError):
                self._path.unlink()


def _is_older(path: Path, moment: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime < moment
    return False


def _make(directory: Path) -> None:
    if directory.is_dir():
        return
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sync(directory.parent)


def _sync(directory: Path) -> None:
    """Have the names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        why = "the disk is full" if problem.errno in _FULL else problem.strerror
        raise Unavailable(f"files cannot be kept or read now: {why}") from None
