"""Which bytes belong to a database: those in the directory that is set, or beside a SQLite file."""

from __future__ import annotations

from pathlib import Path

from buildd.blobs import DiskBlobs
from buildd.store.dialects import Database, Sqlite


def blobs_of(database: Database, given: Path | None) -> DiskBlobs | None:
    """Where a database's files are kept; None if nobody has said it."""
    if given is not None:
        return DiskBlobs(given)
    if isinstance(database, Sqlite):
        return DiskBlobs(database.path.with_name(f"{database.path.name}.blobs"))
    return None
