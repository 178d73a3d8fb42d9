"""Who works with a database now: a lock beside a SQLite file, and on Postgres its own list of sessions."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from buildd.errors import ConfigError, Conflict
from buildd.store.dialects import Connection, Database, Sqlite

# A server asks something every second. What only keeps a connection open, as a pooler does for a
# while after its clients have left, works with nothing.
_BUSY = """\
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
AND (state <> 'idle' OR state_change > now() - interval '10 seconds')
"""


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold a SQLite file against servers while the block runs. Raises `ConfigError`."""
    path = path.resolve()
    if path.is_dir():
        raise ConfigError(f"cannot use the database {path}: it is a directory")
    lock = path.with_name(f"{path.name}.server.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise ConfigError(f"cannot use the database {path}: {problem.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(f"another buildd server is using the database {path}") from None
    try:
        yield
    finally:
        # The file stays: removing it would let two servers hold locks on two files of one name.
        os.close(descriptor)


@contextlib.contextmanager
def alone(database: Database) -> Iterator[None]:
    """Have a database to oneself while the block runs. Raises `ConfigError` or `Conflict`."""
    if isinstance(database, Sqlite):
        with hold(database.path):
            yield
        return
    with closing(database.connect(reading=True)) as connection:
        busy = _sessions(connection)
    if busy:
        raise Conflict(
            f"{busy} other sessions use this database: stop the servers, and try again in 10 s"
        )
    yield


def _sessions(connection: Connection) -> int:
    cursor = connection.cursor()
    cursor.execute(_BUSY)
    return int(cursor.fetchone()[0])
