"""Taking a backup: every row as it was at one moment, and the bytes of the files that these rows name."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import sqlalchemy as sa

from buildd.blobs import PIECE, Blobs
from buildd.errors import ConfigError, Unavailable
from buildd.store.archive import FORMAT, ArchiveReader, ArchiveWriter, Manifest, Table, whole_file
from buildd.store.dialects import Connection, Database, Sqlite, database_of, explaining
from buildd.store.files import blobs_of
from buildd.store.schema import HEAD, check_schema
from buildd.store.sql import blobs as sql_blobs
from buildd.store.statement import Row, Statement
from buildd.store.tables import blob, metadata
from buildd.store.transaction import Transaction

_AT_ONCE = 1000
_TRIES = 3


class Taken(NamedTuple):
    """What a backup has in it."""

    rows: int
    files: int
    size: int
    """Bytes of the file that it is."""
    lost: tuple[str, ...]
    """Digests of files whose bytes are gone, or are not what they were."""


class _Removed(Exception):
    """A file was removed for good, with its row, between the two being copied."""


def backup(url: str, target: Path, blobs: str | Path | None = None, *, files: bool = True) -> Taken:
    """Write all that is in a database into a new file, beside servers that work with it.

    `blobs` is where the bytes of files are kept, if that is not beside the database; without
    `files` they stay out. The file gets its name when it is complete and was read again. Raises
    `ConfigError` or `Unavailable`, and `OSError` for what the disk does not take.
    """
    database = database_of(url)
    if isinstance(database, Sqlite) and not database.path.exists():
        raise ConfigError(f"there is no SQLite database at {database.path}")
    if target.exists():
        raise ConfigError(f"{target} exists: a backup is a new file")
    with whole_file(target) as file, closing(database.connect(reading=True)) as connection:
        taking = _Taking(database, connection, blobs_of(database, blobs), files=files)
        with explaining(database):
            check_schema(connection, database)
            manifest = taking.write(file)
        ArchiveReader(file, target).verify()
        size = file.seek(0, 2)
    rows = sum(table.rows for table in manifest.tables)
    return Taken(rows, taking.copied, size, manifest.lost)


class _Taking:
    """One backup on its way."""

    def __init__(
        self, database: Database, connection: Connection, kept: Blobs | None, *, files: bool
    ) -> None:
        self._database = database
        self._connection = connection
        self._kept = kept
        self._files = files
        self.copied = 0

    def write(self, file: BinaryIO) -> Manifest:
        for _ in range(_TRIES):
            file.seek(0)
            file.truncate()
            with contextlib.suppress(_Removed), ArchiveWriter(file) as archive:
                return self._write_once(archive)
        raise Unavailable("files are removed faster than they can be copied: try again")

    def _write_once(self, archive: ArchiveWriter) -> Manifest:
        tx = Transaction(self._connection, self._database)
        taken_at = tx.now
        # Only the rows are read in it: on Postgres, what is long in a transaction is in the way.
        self._connection.cursor().execute(self._database.snapshot())
        tables = [_write_table(archive, tx, table) for table in metadata.sorted_tables]
        wanted = list(_each_row(tx, blob)) if self._files else []
        self._connection.cursor().execute("COMMIT")
        if wanted and self._kept is None:
            raise ConfigError("set BUILDD_BLOBS: there are files to put into the backup")
        lost = tuple(row.digest for row in wanted if not self._write_file(archive, tx, row))
        self.copied = len(wanted) - len(lost)
        manifest = Manifest(
            format=FORMAT,
            buildd=version("buildd"),
            revision=HEAD,
            taken_at=taken_at,
            tables=tuple(tables),
            files=self._files,
            lost=lost,
        )
        archive.finish(manifest)
        return manifest

    def _write_file(self, archive: ArchiveWriter, tx: Transaction, row: Row) -> bool:
        """Copy a file's bytes; tell whether they are what they should be."""
        assert self._kept is not None
        found = self._kept.open(row.place)
        if found is None:
            if tx.first(sql_blobs.BLOB_AT, place=row.place) is None:
                raise _Removed
            return False
        digest = hashlib.sha256()
        with found:
            archive.add_file(row.digest, _pieces(found, digest))
        return digest.hexdigest() == str(row.digest)


def _write_table(archive: ArchiveWriter, tx: Transaction, table: sa.Table) -> Table:
    return archive.add_rows(table, _each_row(tx, table))


def _each_row(tx: Transaction, table: sa.Table) -> Iterator[Row]:
    """Every row, a page at a time along the primary key, so that no table must fit into memory."""
    key = list(table.primary_key)
    ordered = sa.select(table).order_by(*key).limit(_AT_ONCE)
    after = sa.tuple_(*key) > sa.tuple_(
        *(sa.bindparam(f"after_{column.name}", type_=column.type) for column in key)
    )
    first, following = Statement(ordered), Statement(ordered.where(after))
    rows = tx.all(first)
    while rows:
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        last: dict[str, Any] = dict(zip(table.columns.keys(), rows[-1], strict=True))
        rows = tx.all(following, **{f"after_{column.name}": last[column.key] for column in key})


def _pieces(file: BinaryIO, digest: Any) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        digest.update(piece)
        yield piece
