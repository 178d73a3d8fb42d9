"""All that differs between SQLite and Postgres: connecting, beginning, the clock, and how each one fails."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError

from buildd.errors import AlreadyExists, BuilddError, ConfigError, InternalError, Unavailable

if TYPE_CHECKING:
    from types import ModuleType

_BUSY_SECONDS = 30
_FROZEN_SECONDS = 5
"""How long a transaction on Postgres may stand still before the others go on without it."""
PEN = 0x6275_696C_6464
"""The lock of whoever writes or migrates ("buildd"): an arbitrary number that nobody else uses."""
_REFUSED = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
)
"""A statement that a constraint refuses, or that the driver cannot send."""

log = logging.getLogger("buildd.store")


class Connection(Protocol):
    """The part of a driver's connection that the store uses."""

    def cursor(self) -> Any:
        """Something to execute statements with."""
        ...

    def rollback(self) -> None:
        """Take back what is not committed, with whatever the driver believes of it.

        Not as a statement: psycopg forgets only so what it believes to be prepared, and what follows one
        that is refused in a pipeline was not.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Failure(Enum):
    """What a driver's error means for the transaction it happened in."""

    STATEMENT = auto()
    """This statement was refused; the rest of the transaction can go on after a rollback to it."""
    CONFLICT = auto()
    """Another transaction was in the way, and all of this one is rolled back: try it again."""
    TRANSACTION = auto()
    """All of it is rolled back, and trying again would not help: a full disk, a lock never released."""
    CONNECTION = auto()
    """The connection is gone, and with it whatever was not committed."""


class Database(Protocol):
    """One kind of database at one address."""

    url: URL
    dialect: Dialect
    writers: int
    """How many connections write at once."""
    distant: bool
    """Whether a statement and its answer have to travel."""

    def connect(self, *, reading: bool = False) -> Connection:
        """A connection outside any transaction. Raises `Unavailable` or `ConfigError`."""
        ...

    def begin(self, connection: Connection) -> datetime:
        """Open a writing transaction; the moment by the database's clock."""
        ...

    def together(self, connection: Connection) -> AbstractContextManager[None]:
        """The statements of the block are sent in one go, and all of them are done after it.

        The first that is refused is raised, and those after it are not done.
        """
        ...

    def snapshot(self) -> str:
        """The statement that opens a reading transaction which sees one state throughout."""
        ...

    def now(self, connection: Connection) -> datetime:
        """The database's clock."""
        ...

    def failure(self, error: Exception) -> Failure | None:
        """What an error of the driver means, or None if it is not the driver's."""
        ...

    def translate(self, error: Exception) -> BuilddError:
        """A driver's error in buildd's terms, in one line."""
        ...


def database_of(url: str) -> Database:
    """The database a URL names. Raises `ConfigError` for one that is not understood."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise ConfigError("the database URL cannot be read; try sqlite:///buildd.db") from None
    match parsed.get_backend_name():
        case "sqlite":
            return Sqlite(parsed)
        case "postgresql" | "postgres":
            return Postgres(parsed)
        case other:
            raise ConfigError(f"no database {other!r}: use sqlite:///… or postgresql://…")


class Sqlite:
    """A file. One writer; readers see the last commit (WAL)."""

    writers = 1
    distant = False

    def __init__(self, url: URL) -> None:
        from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect

        class Hinting(SQLiteCompiler):
            """Writes hints down, which SQLAlchemy knows of other databases only."""

            def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
                return text

        if not url.database or url.database == ":memory:":
            raise ConfigError(
                "SQLite needs a file, because several connections share it: sqlite:///buildd.db"
            )
        if url.query:
            raise ConfigError("a SQLite URL takes no options: sqlite:///path and nothing behind it")
        self.url = url.set(drivername="sqlite")
        self.path = Path(url.database).absolute()
        self.dialect: Dialect = SQLiteDialect()
        self.dialect.statement_compiler = Hinting

    def connect(self, *, reading: bool = False) -> Connection:
        """Open the file; it is made if its folder exists."""
        connection: sqlite3.Connection | None = None
        if not reading and not self.path.exists():
            self._make_private()
        try:
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: what was answered survives a power cut. Group commit makes it nearly free.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            # SQLite's own lower() knows the letters of ASCII only.
            connection.create_function("lowercase", 1, str.lower, deterministic=True)
            connection.execute(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise self.translate(error) from None
        return connection

    def _make_private(self) -> None:
        """What is in it, the secret that keys are hashed with too, is its owner's only."""
        with suppress(OSError):  # why it cannot be made, SQLite tells in a moment
            self.path.touch(mode=0o600, exist_ok=True)

    def begin(self, connection: Connection) -> datetime:
        """IMMEDIATE takes the write lock first; a deferred one would fail at its first write."""
        connection.cursor().execute("BEGIN IMMEDIATE")
        return self.now(connection)

    def together(self, connection: Connection) -> AbstractContextManager[None]:
        """SQLite is in this process: there is no way to save."""
        return nullcontext()

    def snapshot(self) -> str:
        """A deferred transaction sees what is committed at its first read."""
        return "BEGIN"

    def now(self, connection: Connection) -> datetime:
        """SQLite has no clock but this machine's."""
        return datetime.now(UTC)

    def failure(self, error: Exception) -> Failure | None:
        """What a sqlite3 error means."""
        if isinstance(error, _REFUSED):
            return Failure.STATEMENT
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_IOERR"):
            # At a COMMIT, the log may hold all of it or not: recovery decides, after a crash.
            return Failure.CONNECTION
        return Failure.TRANSACTION if isinstance(error, sqlite3.Error) else None

    def translate(self, error: Exception) -> BuilddError:
        """A sqlite3 error in one line."""
        return _kept_in(self._translated(error))

    def _translated(self, error: Exception) -> BuilddError:  # noqa: PLR0911 - a table of errors
        if _is_unique(error):
            return AlreadyExists(_unique_fields(str(error)))
        if isinstance(error, _REFUSED):
            return InternalError()
        code = getattr(error, "sqlite_errorname", "")
        where = f"SQLite database {self.path}"
        if code in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
            return ConfigError(f"{where} is not an intact SQLite database")
        if code.startswith("SQLITE_CANTOPEN"):
            return ConfigError(
                f"{where} cannot be opened: does its folder exist, and may you write there?"
            )
        if code.startswith(("SQLITE_READONLY", "SQLITE_PERM")):
            return ConfigError(f"{where} is read-only")
        if code == "SQLITE_FULL":
            return Unavailable(f"{where}: the disk is full")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Unavailable(f"{where} was locked by another process for {_BUSY_SECONDS} s")
        return Unavailable(f"{where}: {error}")


class Postgres:
    """A Postgres server, reached by psycopg 3."""

    # A second one would mostly wait for the first: all of them write the same few rows.
    writers = 1
    distant = True

    def __init__(self, url: URL) -> None:
        self._psycopg = _psycopg()
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

        self.url = url.set(drivername="postgresql+psycopg")
        self.dialect: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)

    def connect(self, *, reading: bool = False) -> Connection:
        """Connect, in autocommit: transactions are begun by name."""
        try:
            connection = self._psycopg.connect(self._conninfo, autocommit=True, connect_timeout=10)
            self._prepare(connection, reading=reading)
        except self._psycopg.Error as error:
            if isinstance(error, self._psycopg.ProgrammingError) and error.sqlstate is None:
                # Nobody was asked yet; what libpq says of it may repeat the password.
                raise ConfigError(
                    "the database URL has a host or an option that Postgres cannot have"
                ) from None
            raise self.translate(error) from None
        opened: Connection = connection
        return opened

    def _prepare(self, connection: Any, *, reading: bool) -> None:
        cursor = connection.execute("SELECT pg_backend_pid(), set_config('TimeZone', 'UTC', false)")
        process, _ = cursor.fetchone()
        if process != connection.info.backend_pid:
            # A pooler is in between, which may give each transaction to another session: none may
            # keep what was prepared or set there. PgBouncer carries the time zone along.
            connection.prepare_threshold = None
        elif reading:
            connection.execute("SET default_transaction_read_only = on")

    def begin(self, connection: Connection) -> datetime:
        """One writer at a time, over all servers; each guarded UPDATE sees the row as it is now.

        Batches hold many rows. Two at once would wait for each other in a circle again and again, and
        each time it takes Postgres a second to notice. A server that is frozen in the middle of its turn
        loses it; said here, because a pooler may give each transaction to another session.
        """
        cursor = connection.cursor()
        cursor.execute(
            "BEGIN ISOLATION LEVEL READ COMMITTED;"
            f" SET LOCAL idle_in_transaction_session_timeout = '{_FROZEN_SECONDS}s';"
            f" SELECT pg_advisory_xact_lock({PEN}); SELECT clock_timestamp()"
        )
        moment: datetime = cursor.set_result(-1).fetchone()[0]
        return moment

    @contextmanager
    def together(self, connection: Any) -> Iterator[None]:
        """One round trip for all."""
        with connection.pipeline() as pipeline:
            try:
                yield
            except BaseException:
                with suppress(self._psycopg.Error):
                    pipeline.sync()  # else leaving it complains in the log
                raise

    def snapshot(self) -> str:
        """REPEATABLE READ keeps the first statement's snapshot."""
        return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def now(self, connection: Connection) -> datetime:
        """The server's clock, so that N brokers agree about leases."""
        cursor = connection.cursor()
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment

    def failure(self, error: Exception) -> Failure | None:
        """What a psycopg error means."""
        if not isinstance(error, self._psycopg.Error):
            return None
        if isinstance(error, self._psycopg.errors.PipelineAborted):
            return Failure.STATEMENT  # one before it was refused
        state = getattr(error, "sqlstate", None)
        if state is None:
            # Without a state it is psycopg's own: a broken connection, or what it cannot send.
            broken = (self._psycopg.OperationalError, self._psycopg.InterfaceError)
            return Failure.CONNECTION if isinstance(error, broken) else Failure.STATEMENT
        if state.startswith(("08", "57P", "25P03", "26")):  # 26: what it prepared is not there
            return Failure.CONNECTION
        if state.startswith("40"):
            return Failure.CONFLICT
        return Failure.STATEMENT if state.startswith(("22", "23", "42")) else Failure.TRANSACTION

    def translate(self, error: Exception) -> BuilddError:
        """A psycopg error in one line, without the password that a URL may carry."""
        return _kept_in(self._translated(error))

    def _translated(self, error: Exception) -> BuilddError:
        state = getattr(error, "sqlstate", None) or ""
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        if state == "23505":
            detail = getattr(getattr(error, "diag", None), "message_detail", None)
            return AlreadyExists(detail or line)
        if self.failure(error) is Failure.STATEMENT:
            return InternalError()
        if state.startswith(("28", "3D")):
            return ConfigError(f"Postgres refused the connection: {line}")
        if state == "53100":
            return Unavailable("Postgres: the disk is full")
        return Unavailable(
            f"Postgres at {self.url.host or self.url.query.get('host') or 'localhost'}: {line}"
        )


def explain(database: Database, error: Exception) -> BuilddError:
    """Any error in buildd's terms; the log has what is a fault of buildd itself."""
    if isinstance(error, BuilddError):
        return error
    known = database.failure(error) is not None
    explained = database.translate(error) if known else InternalError()
    if isinstance(explained, InternalError):
        log.error("an operation failed inside buildd", exc_info=error)
    return explained


def _kept_in(error: BuilddError) -> BuilddError:
    """Where the database is, and its driver's own words, are for whoever runs it."""
    if isinstance(error, (ConfigError, Unavailable)):
        error.outward = "the database cannot be used now"
    return error


@contextmanager
def explaining(database: Database) -> Iterator[None]:
    """Have what the driver raises in the block raised in buildd's terms."""
    try:
        yield
    except Exception as error:
        if database.failure(error) is None:
            raise
        raise explain(database, error) from error


def _psycopg() -> ModuleType:
    try:
        import psycopg
    except ImportError:
        raise ConfigError("Postgres needs its driver: pip install 'buildd[postgres]'") from None
    return psycopg


def _is_unique(error: Exception) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}


def _unique_fields(message: str) -> str:
    columns: Sequence[str] = message.rpartition(": ")[2].split(", ")
    return f"{' and '.join(column.partition('.')[2] for column in columns)}: already taken"
