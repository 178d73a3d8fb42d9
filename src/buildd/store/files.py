"""Which bytes belong to a database: those in the directory or bucket that is set, or beside a SQLite file."""

from __future__ import annotations

from pathlib import Path

from buildd.blobs import Blobs, DiskBlobs
from buildd.store.dialects import Database, Sqlite
from buildd.store.s3 import SCHEME, S3Blobs


def blobs_of(database: Database, given: str | Path | None) -> Blobs | None:
    """Where a database's files are kept; None if nobody has said it. Raises `ConfigError`."""
    if isinstance(given, str) and given.startswith(f"{SCHEME}://"):
        return S3Blobs(given)
    if given is not None:
        return DiskBlobs(Path(given))
    if isinstance(database, Sqlite):
        return DiskBlobs(database.path.with_name(f"{database.path.name}.blobs"))
    return None
