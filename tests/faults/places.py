"""One database that is put back into an earlier state by the thousand, on SQLite and on Postgres."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

import psycopg

from buildd.store.tables import metadata


class Place(Protocol):
    """A database at rest that can be saved and restored. Nobody may have it open meanwhile."""

    name: str
    url: str

    def save(self, state: str) -> None:
        """Remember what it contains under a name."""
        ...

    def restore(self, state: str) -> None:
        """Make it contain what was saved under a name."""
        ...


class SqlitePlace:
    """A file in a directory, and copies of it."""

    name = "sqlite"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "buildd.db"
        self.url = f"sqlite:///{self._file}"

    def save(self, state: str) -> None:
        """Copy the file."""
        shutil.copy(self._file, self._directory / f"{state}.saved")

    def restore(self, state: str) -> None:
        """Copy it back; what a dead process left in the write-ahead log is not wanted."""
        for suffix in ("-wal", "-shm"):
            Path(f"{self._file}{suffix}").unlink(missing_ok=True)
        shutil.copy(self._directory / f"{state}.saved", self._file)


class PostgresPlace:
    """A database, and copies of its rows in further schemas of it.

    Creating a database takes Postgres half a second; moving a few rows does not.
    """

    name = "postgres"

    def __init__(self, url: str) -> None:
        self.url = url

    def save(self, state: str) -> None:
        """Copy every table."""
        tables = [table.name for table in metadata.sorted_tables]
        self._run(
            f'CREATE SCHEMA "{state}"',
            *(f'CREATE TABLE "{state}"."{name}" AS TABLE public."{name}"' for name in tables),
        )

    def restore(self, state: str) -> None:
        """Copy every row back. Waits for what a dead process had locked, until Postgres has noticed."""
        self._run(*self.restoring(state))

    @staticmethod
    def restoring(state: str) -> list[str]:
        """The statements that copy every row back."""
        tables = [table.name for table in metadata.sorted_tables]
        return [
            "SET session_replication_role = replica",  # the triggers of the audit log let nobody do this
            *(f'DELETE FROM public."{name}"' for name in reversed(tables)),  # noqa: S608 - our own names
            *(
                f'INSERT INTO public."{name}" SELECT * FROM "{state}"."{name}"'  # noqa: S608 - see above
                for name in tables
            ),
        ]

    def _run(self, *statements: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("; ".join(statements).encode())
