"""The bytes of files in a bucket that speaks S3: nothing on the server's disk needs to be shared or kept.

Credentials, region and endpoint are those that all S3 programs read (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`), or the machine's role.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import RawIOBase
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast
from urllib.parse import urlsplit

from buildd.blobs import PIECE, PLACE, Received, place_of
from buildd.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Store

SCHEME = "s3"
_TRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


class S3Blobs:
    """Keeps them in a bucket, below a prefix: `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ConfigError("BUILDD_BLOBS must be a directory, or s3://BUCKET/PREFIX")
        try:
            from obstore.store import S3Store
        except ImportError:
            raise ConfigError(
                "BUILDD_BLOBS names a bucket, for which this needs: pip install 'buildd[s3]'"
            ) from None
        self._url = url
        with self._configured():
            self._store: S3Store = S3Store(
                parts.hostname,
                prefix=parts.path.strip("/") or None,
                retry_config=cast("Any", _TRIES),
            )

    def check(self) -> None:
        """Raises `ConfigError` if the bucket cannot be used."""
        import obstore

        with self._configured():
            obstore.put(self._store, "check", b"")
            obstore.delete(self._store, "check")

    def receive(self) -> S3Incoming:
        """Begin with a file, which waits on this machine's disk until it is whole and has a digest."""
        return S3Incoming(self._store)

    def open(self, place: str) -> BinaryIO | None:
        """What is kept at a place."""
        import obstore

        with _explained(), contextlib.suppress(FileNotFoundError):
            return cast("BinaryIO", _Reading(obstore.open_reader(self._store, _checked(place))))
        return None

    def size(self, place: str) -> int | None:
        """Bytes at a place."""
        import obstore

        with _explained(), contextlib.suppress(FileNotFoundError):
            return int(obstore.head(self._store, _checked(place))["size"])
        return None

    def remove(self, place: str) -> None:
        """Empty a place."""
        import obstore

        with _explained(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, _checked(place))

    def older_than(self, seconds: float) -> Iterator[str]:
        """Every place that was filled so long ago, by the bucket's clock."""
        import obstore

        before = datetime.now(UTC) - timedelta(seconds=seconds)
        with _explained():
            for batch in obstore.list(self._store):
                for each in batch:
                    if each["last_modified"] < before and PLACE.fullmatch(each["path"]):
                        yield each["path"]

    @contextlib.contextmanager
    def _configured(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as problem:
            raise ConfigError(
                f"BUILDD_BLOBS: cannot use {self._url}: {_first_line(problem)}"
            ) from None


class S3Incoming:
    """A file on its way in, in a file without a name until it is whole."""

    def __init__(self, store: S3Store) -> None:
        self.size = 0
        self._store = store
        self._hash = hashlib.sha256()
        with _explained():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this does

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        with _explained():
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> Received:
        """Keep it: the bucket has it when it says so."""
        import obstore

        digest = self._hash.hexdigest()
        place = place_of(digest)
        with _explained():
            self._file.seek(0)
            obstore.put(self._store, place, cast("BinaryIO", self._file))
        return Received(digest, self.size, place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the file on this machine go."""
        self._file.close()


class _Reading(RawIOBase):
    """An object of the bucket as a file whose reads give bytes."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        with _explained():
            return bytes(self._reader.read(PIECE if size < 0 else size))

    def close(self) -> None:
        self._reader.close()
        super().close()


def _checked(place: str) -> str:
    if not PLACE.fullmatch(place):
        raise ValueError(f"not a place: {place!r}")
    return place


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as problem:
        raise Unavailable(f"files cannot be kept or read now: {_first_line(problem)}") from None


def _first_line(problem: BaseException) -> str:
    """What is said first; below it the library says what it sent, too."""
    return str(problem).partition("\n")[0].strip()
