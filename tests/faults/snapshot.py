"""The whole content of a database as text that two runs of one scenario have in common.

Ids and secrets differ between runs; ids are put into the order of their making and numbered.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

from buildd.store import Transaction, database_of
from buildd.store.tables import metadata

_ID = re.compile(r"\b(acc|key|ws|src|task|wkr|art|cmt|msg|att|agt|led|sch)_[0-9a-z]{26}")
_NAME = re.compile(r"\bagent-[0-9a-z]{8}\b")  # made of a worker's id
_HASH = re.compile(r"\b[0-9a-f]{64}\b")  # of what has ids in it
_SECRET_COLUMNS = {"digest", "ended_as"}


class Reader:
    """A database as who only reads it sees it, over one connection: a session is dear on Postgres."""

    def __init__(self, url: str) -> None:
        self._database = database_of(url)
        self._connection = self._database.connect(reading=True)

    def close(self) -> None:
        self._connection.close()

    def transaction(self) -> Transaction:
        """What the auditor reads with; each statement sees what is committed by then."""
        return Transaction(self._connection, self._database)

    def rows(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        """Every row of these tables, or of all, as the driver gives it; each table in one statement."""
        names = tables or [table.name for table in metadata.sorted_tables]
        return {name: _rows(self._connection, name) for name in names}

    def snapshot(self) -> list[str]:
        """All rows, one line each, with ids and secrets made comparable."""
        return _comparable(self.rows())


def rows(url: str, *tables: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of a database that is read once."""
    with closing(Reader(url)) as reader:
        return reader.rows(*tables)


def _comparable(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    lines = [
        f"{table}: "
        + ", ".join(
            f"{name}={value!r}"
            for name, value in sorted(row.items())
            if name not in _SECRET_COLUMNS
        )
        for table, rows in found.items()
        for row in rows
    ]
    text = _HASH.sub("hash", _NAME.sub("agent", "\n".join(lines)))
    numbers: dict[str, str] = {}
    for name in sorted({match[0] for match in _ID.finditer(text)}):
        kind = name.partition("_")[0]
        numbers[name] = f"{kind}_{sum(each.startswith(kind) for each in numbers) + 1}"
    return sorted(_ID.sub(lambda match: numbers[match[0]], text).splitlines())


def _rows(connection: Any, table: str) -> list[dict[str, Any]]:
    cursor = connection.cursor()
    cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own table names
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
