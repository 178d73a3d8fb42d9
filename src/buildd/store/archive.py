"""The file a backup is: a zip of rows as JSON and of files' bytes, the same for both databases.

Rows are written by name and kind, not as either database keeps them: so what was in one kind of
database can be restored into the other, without any of their tools, and by a later buildd too.
"""

from __future__ import annotations

import base64
import contextlib
import json
import lzma
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, ValidationError

from buildd.blobs import PIECE
from buildd.errors import ConfigError
from buildd.store.columns import JSON, Moment, Money

FORMAT = 1
_MANIFEST = "manifest.json"
_LONGEST = 64 * 2**20
"""Bytes of the manifest, or of one row, that are taken into memory; far more than any real one has."""
_NO_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,  # what bz2 and a wrong offset raise
    NotImplementedError,  # a method or version that Python does not know
    RuntimeError,  # encrypted
    ValueError,
    struct.error,
    lzma.LZMAError,
)
"""What zipfile raises for a file that is none, or is made to look like one."""


class Kind(NamedTuple):
    """How values of one kind of column stand in JSON. None is None in all of them."""

    type: sa.types.TypeEngine[Any]
    to_json: Callable[[Any], Any] | None = None
    from_json: Callable[[Any], Any] | None = None


KINDS: dict[str, Kind] = {
    "moment": Kind(Moment(), datetime.isoformat, datetime.fromisoformat),
    "money": Kind(Money(), str, Decimal),
    "json": Kind(JSON),
    "date": Kind(sa.Date(), date.isoformat, date.fromisoformat),
    "boolean": Kind(sa.Boolean()),
    "integer": Kind(sa.BigInteger()),
    "number": Kind(sa.Float()),
    "bytes": Kind(
        sa.LargeBinary(), lambda value: base64.b64encode(value).decode(), base64.b64decode
    ),
    "text": Kind(sa.String()),
}
"""By the name that stands in a manifest; the first whose type a column's is, is the column's."""


class Table(BaseModel):
    """One table in a backup: its columns in order, each with its kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    columns: dict[str, str]
    rows: int


class Manifest(BaseModel):
    """What is in a backup. It is written last."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    buildd: str
    revision: str
    """Of the schema that the tables are of."""
    taken_at: datetime
    """When the rows were as they are here, by the clock of their database."""
    tables: tuple[Table, ...]
    """In the order in which they can be filled."""
    files: bool
    """Whether the bytes of files are in it."""
    lost: tuple[str, ...] = ()
    """Digests of files whose bytes were gone already."""


class ArchiveWriter:
    """Fills the file of a backup, as a context manager."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add_rows(self, table: sa.Table, rows: Iterable[tuple[Any, ...]]) -> Table:
        """Write a table's rows, one on each line."""
        columns = {column.name: kind_of(column) for column in table.columns}
        convert = [KINDS[kind].to_json for kind in columns.values()]
        count = 0
        with self._zip.open(_rows_of(table.name), "w", force_zip64=True) as out:
            for row in rows:
                values = [
                    value if each is None or value is None else each(value)
                    for each, value in zip(convert, row, strict=True)
                ]
                out.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
                count += 1
        return Table(name=table.name, columns=columns, rows=count)

    def add_file(self, digest: str, pieces: Iterable[bytes]) -> None:
        """Write the bytes of a file; most are small by themselves, or cannot be made smaller."""
        with self._zip.open(zipfile.ZipInfo(_bytes_of(digest)), "w", force_zip64=True) as out:
            for piece in pieces:
                out.write(piece)

    def finish(self, manifest: Manifest) -> None:
        """Write what is in it."""
        self._zip.writestr(_MANIFEST, manifest.model_dump_json(indent=2))


class ArchiveReader:
    """Reads the file of a backup, which errors call `path`.

    Raises `ConfigError` for what is none, or not whole.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(file)
            with self._zip.open(_MANIFEST) as found:
                text = found.read(_LONGEST)
        except (KeyError, *_NO_ZIP):
            raise ConfigError(f"{path} is no backup of buildd, or not all of one") from None
        self.manifest = _manifest(text, path)

    def verify(self) -> None:
        """Read all of it. Raises `ConfigError` if a byte of it has changed."""
        try:
            broken = self._zip.testzip()
            missing = {_rows_of(table.name) for table in self.manifest.tables}
            missing -= {*self._zip.namelist()}
        except _NO_ZIP as problem:
            raise ConfigError(f"{self._path} is damaged: {problem}") from None
        if broken or missing:
            raise self._damaged(str(broken or min(missing)))

    def rows(self, table: Table) -> Iterator[dict[str, Any]]:
        """The rows of a table, by column."""
        kinds = [(name, KINDS[kind].from_json) for name, kind in table.columns.items()]
        with self._zip.open(_rows_of(table.name)) as lines:
            while line := lines.readline(_LONGEST):
                try:
                    row = {
                        name: value if each is None or value is None else each(value)
                        for (name, each), value in zip(kinds, json.loads(line), strict=True)
                    }
                except (ValueError, TypeError, ArithmeticError, RecursionError):
                    raise self._damaged(_rows_of(table.name)) from None
                yield row

    def file(self, digest: str) -> Iterator[bytes]:
        """The bytes of a file, piece by piece."""
        name = _bytes_of(digest)
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise self._damaged(name) from None
        if info.compress_type != zipfile.ZIP_STORED:
            # They never are made smaller, so what comes out of a backup is no larger than that.
            raise self._damaged(name)
        with self._zip.open(info) as file:
            while piece := file.read(PIECE):
                yield piece

    def _damaged(self, name: str) -> ConfigError:
        return ConfigError(f"{self._path} is damaged at {name}")


def kind_of(column: sa.Column[Any]) -> str:
    """The kind of a column."""
    implemented = column.type
    if isinstance(implemented, sa.types.TypeDecorator) and not isinstance(
        implemented, (Moment, Money)
    ):
        implemented = implemented.impl_instance
    for name, kind in KINDS.items():
        if isinstance(implemented, _general(kind.type)):
            return name
    raise TypeError(f"{column}: a backup does not know how to write {implemented!r}")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name once all of it is on the disk; only its owner may read it."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, this takes no name that somebody else has used meanwhile.
        os.link(part, path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _general(given: sa.types.TypeEngine[Any]) -> type[sa.types.TypeEngine[Any]]:
    # Integer is what BigInteger and SmallInteger are, and so on.
    for general in (sa.Integer, sa.Float, sa.String):
        if isinstance(given, general):
            return general
    return type(given)


def _manifest(text: bytes, path: Path) -> Manifest:
    known: Mapping[str, Any] = {}
    with contextlib.suppress(ValueError):
        known = json.loads(text)
    if isinstance(known, dict) and known.get("format") not in {FORMAT, None}:
        raise ConfigError(f"{path} was made by buildd {known.get('buildd')}: restore it with that")
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        raise ConfigError(f"{path} is no backup of buildd") from None
    if strange := {kind for table in manifest.tables for kind in table.columns.values()} - {*KINDS}:
        raise ConfigError(f"{path} was made by buildd {manifest.buildd}: no kind {min(strange)!r}")
    return manifest


def _rows_of(table: str) -> str:
    return f"tables/{table}.jsonl"


def _bytes_of(digest: str) -> str:
    return f"files/{digest}"
