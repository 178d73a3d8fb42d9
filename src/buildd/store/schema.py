"""The schema is made or brought up to date when a broker opens, and the database remembers how far it is."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from typing import Any

from buildd.errors import BuilddError, ConfigError
from buildd.store.dialects import Connection, Database, Postgres, database_of

HEAD = "0001"
"""The newest revision in `migrations/versions`."""

_LOCK = 0x6275_696C_6464  # "buildd": the advisory lock under which one server migrates


def upgrade(url: str) -> bool:
    """Make or upgrade the schema at a database URL; tell whether anything had to be done.

    Raises `ConfigError` for a database that a newer buildd has already upgraded.
    """
    return upgrade_database(database_of(url))


def upgrade_database(database: Database) -> bool:
    """The same for a database that was already parsed."""
    with closing(database.connect()) as connection:
        if _revision(connection, database) == HEAD:
            return False
    _migrate(database)
    return True


def check_schema(connection: Connection, database: Database) -> None:
    """Raises `ConfigError` unless the schema is that of this version."""
    if _revision(connection, database) != HEAD:
        raise ConfigError(
            "this database is not that of this version of buildd: `buildd db upgrade` makes it so"
        )


def _revision(connection: Connection, database: Database) -> str | None:
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
    # Alembic costs half a second to import; a database that is up to date never gets here.
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(files("buildd.store") / "migrations"))
    engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool)
    try:
        with engine.connect() as connection:
            _take_turns(connection, database)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
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
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    else:
        connection.connection.driver_connection.isolation_level = None
        connection.execute(text("BEGIN IMMEDIATE"))


def _translated(database: Database, error: Any) -> BuilddError:
    return database.translate(error.orig or error)
