"""Restoring a backup: all of it in one transaction, into an empty database or in the place of another.

What was told after the backup was taken is told no more, so the feed's numbers must not come twice:
the events that are restored move behind every number that can have been given out since. Whoever
comes back with an older one is sent a `reset`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from buildd.blobs import PLACE, Blobs
from buildd.errors import ConfigError, Conflict
from buildd.store.archive import KINDS, ArchiveReader, Table
from buildd.store.audit import Difference, audit
from buildd.store.dialects import Database, database_of, explaining
from buildd.store.files import blobs_of
from buildd.store.holding import alone
from buildd.store.schema import Migration, check_schema, migrating, revision_of
from buildd.store.sql.deliveries import CURSORS
from buildd.store.sql.events import EVENT_SEQ
from buildd.store.statement import Statement
from buildd.store.tables import blob, counter, metadata, setting
from buildd.store.transaction import Transaction

_AT_ONCE = 500
_PER_SECOND = 10_000
"""More events than any installation tells in a second."""
_AT_LEAST = timedelta(hours=1)
"""So long is a backup taken to be old at least, whatever the clocks say."""
_OWN = {"counter", "setting"}
"""What is in a database that nobody has used yet."""
NUMBERED = {"event": "seq", "hook": "since_seq", "delivery": "event_seq"}
"""The columns that hold a number of the feed's."""
_FLEETING = {"session", "ticket"}
"""Tables that are not restored: logins, of which some may have been ended since."""


class Restored(NamedTuple):
    """What was restored."""

    taken_at: datetime
    rows: int
    files: int
    differences: list[Difference]
    """What the auditor found in it afterwards."""


def restore(
    url: str, source: Path, blobs: str | Path | None = None, *, force: bool = False
) -> Restored:
    """Put what is in a backup into a database, which is made if there is none.

    Without `force` it must be empty; with it, what is there is lost. `blobs` is where the bytes of
    files are to be kept, if that is not beside the database. Raises `ConfigError` for a backup or
    database that will not do, `Conflict` for one in use, and `Unavailable`: then nothing has changed.
    """
    database = database_of(url)
    with source.open("rb") as file:
        archive = ArchiveReader(file, source)
        archive.verify()
        with alone(database):
            _refuse_what_is_used(database, force=force)
            restoring = _Restoring(database, archive, blobs_of(database, blobs))
            restoring.run()
    manifest = archive.manifest
    return Restored(
        manifest.taken_at,
        sum(table.rows for table in manifest.tables),
        len(restoring.places),
        audit(url, blobs),
    )


def _refuse_what_is_used(database: Database, *, force: bool) -> None:
    with closing(database.connect()) as connection:
        if revision_of(connection, database) is None:
            return
        check_schema(connection, database)
        tx = Transaction(connection, database)
        for table in metadata.sorted_tables:
            used = Statement(
                sa.select(sa.literal_column("1").label("one")).select_from(table).limit(1)
            )
            if table.name not in _OWN and not force and tx.first(used):
                raise Conflict(
                    "there is something in this database: --force puts the backup in its place"
                )


class _Restoring:
    """One restoration."""

    def __init__(self, database: Database, archive: ArchiveReader, kept: Blobs | None) -> None:
        self._database = database
        self._archive = archive
        self._kept = kept
        self.places: dict[str, str] = {}
        """Where the bytes of each file are now, by its digest."""

    def run(self) -> None:
        """Files first: rows must never name bytes that are not there."""
        try:
            self._bring_files()
            with explaining(self._database), migrating(self._database) as migration:
                self._replace(migration)
        except BaseException:
            for place in self.places.values():
                assert self._kept is not None
                self._kept.remove(place)
            raise

    def _bring_files(self) -> None:
        manifest = self._archive.manifest
        named = [row["digest"] for row in self._rows(blob.name)]
        if named and self._kept is None:
            raise ConfigError("set BUILDD_BLOBS: there are files in the backup")
        for digest in named if manifest.files else ():
            if digest not in manifest.lost:
                assert self._kept is not None
                self.places[digest] = self._bring(self._kept, digest)

    def _bring(self, kept: Blobs, digest: str) -> str:
        with kept.receive() as incoming:
            for piece in self._archive.file(digest):
                incoming.write(piece)
            received = incoming.finish()
        if received.digest != digest:
            kept.remove(received.place)
            raise ConfigError(f"this backup is damaged at the file {digest}")
        return received.place

    def _replace(self, migration: Migration) -> None:
        connection = migration.connection
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))
        migration.to(self._archive.manifest.revision)
        driver = connection.connection.driver_connection
        tx = Transaction(driver, self._database)
        shift = _shift(self._archive.manifest.taken_at, tx.now)
        for table in self._archive.manifest.tables:
            # What the migrations have put in stands in the backup as well.
            tx.run(Statement(sa.delete(sa.table(table.name))))
            if table.name not in _FLEETING:
                self._fill(tx, table, shift)
        migration.to("head")

    def _fill(self, tx: Transaction, table: Table, shift: int) -> None:
        columns = [sa.column(name, KINDS[kind].type) for name, kind in table.columns.items()]
        statement = Statement(sa.insert(sa.table(table.name, *columns)))
        rows = (self._checked(table.name, row, shift) for row in self._archive.rows(table))
        while batch := list(islice(rows, _AT_ONCE)):
            with _sound(table.name):
                tx.run_many(statement, batch)

    def _checked(self, table: str, row: dict[str, Any], shift: int) -> Mapping[str, Any]:
        with _sound(table):
            return self._as_of_now(table, row, shift)

    def _as_of_now(self, table: str, row: dict[str, Any], shift: int) -> Mapping[str, Any]:
        if table == blob.name:
            row["place"] = self._place(row)
        elif table == counter.name and row["name"] == EVENT_SEQ:
            row["value"] += shift
        elif table == setting.name and row["name"] in CURSORS.values():
            row["value"] = str(int(row["value"]) + shift)
        elif table in NUMBERED and row[NUMBERED[table]] is not None:
            row[NUMBERED[table]] += shift
        return row

    def _place(self, row: Mapping[str, Any]) -> str:
        """Where a file's bytes are. One whose bytes are elsewhere names that, and can name nothing else."""
        place = str(self.places.get(row["digest"], row["place"]))
        if not PLACE.fullmatch(place):
            raise ConfigError(f"this backup is damaged at the file {row['digest']}")
        return place

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        for table in self._archive.manifest.tables:
            if table.name == name:
                yield from self._archive.rows(table)


@contextmanager
def _sound(table: str) -> Iterator[None]:
    """Raises `ConfigError` for a row that is none, or has a value that its column cannot have."""
    try:
        yield
    except (KeyError, TypeError, ValueError):
        raise ConfigError(f"this backup is damaged at a row of {table}") from None


def _shift(taken_at: datetime, now: datetime) -> int:
    return int(max(now - taken_at, _AT_LEAST).total_seconds()) * _PER_SECOND
