"""The schema is made or brought up to date when a broker opens, and the database remembers how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from typing import Any

from buildd.errors import BuilddError, ConfigError
from buildd.store.dialects import PEN, Connection, Database, Postgres, database_of

HEAD = "0001"
"""The newest revision in `migrations/versions`."""


def upgrade(url: str) -> bool:
    """Make or upgrade the schema at a database URL; tell whether anything had to be done.

    Raises `ConfigError` for a database that a newer buildd has already upgraded.
    """
    return upgrade_database(database_of(url))


def upgrade_database(database: Database) -> bool:
    """The same for a database that was already parsed."""
    with closing(database.connect()) as connection:
        if revision_of(connection, database) == HEAD:
            return False
    _migrate(database)
    return True


def check_schema(connection: Connection, database: Database) -> None:
    """Raises `ConfigError` unless the schema is that of this version."""
    if revision_of(connection, database) != HEAD:
        raise ConfigError(
            "this database is not that of this version of buildd: `buildd db upgrade` makes it so"
        )


def revision_of(connection: Connection, database: Database) -> str | None:
    """Which revision a database is at; None if it has no tables yet."""
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT version_num FROM alembic_version")
        row = cursor.fetchone()
    except Exception as error:
        if getattr(error, "sqlstate", None) == "42P01" or "no such table" in str(error):
            return None
        if database.failure(error) is not None:
            raise database.translate(error) from None
        raise
    return None if row is None else str(row[0])


def _migrate(database: Database) -> None:
    with migrating(database) as migration:
        migration.to("head")


class Migration:
    """A transaction in which the schema may change, on SQLAlchemy's connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def to(self, revision: str) -> None:
        """Make the schema that of a revision, or `head`."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(files("buildd.store") / "migrations"))
        config.attributes["connection"] = self.connection
        command.upgrade(config, revision)


@contextmanager
def migrating(database: Database) -> Iterator[Migration]:
    """The one transaction that may change the schema now. All of it is committed, or nothing."""
    # Alembic costs half a second to import; a database that is up to date never gets here.
    import sqlalchemy as sa
    from alembic.util import CommandError

    # A pooler would leave what is prepared here on a connection that others use next.
    options = {"prepare_threshold": None} if isinstance(database, Postgres) else {}
    engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool, connect_args=options)
    try:
        with engine.connect() as connection:
            _take_turns(connection, database)
            yield Migration(connection)
            connection.commit()
    except CommandError:
        raise ConfigError(
            "this database was upgraded by a newer buildd: install that version, or use another database"
        ) from None
    except sa.exc.DBAPIError as error:
        raise _translated(database, error) from None
    finally:
        engine.dispose()


def _take_turns(connection: Any, database: Database) -> None:
    """Two servers that start together must not migrate together."""
    from sqlalchemy import text

    if isinstance(database, Postgres):
        connection.execute(text(f"SELECT pg_advisory_xact_lock({PEN})"))
    else:
        connection.connection.driver_connection.isolation_level = None
        connection.execute(text("BEGIN IMMEDIATE"))


def _translated(database: Database, error: Any) -> BuilddError:
    return database.translate(error.orig or error)
