"""The schema: made and upgraded at start, the same as the rows say, refused when it is newer than we are."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from buildd.broker import ADMIN, Broker
from buildd.errors import BuilddError, ConfigError
from buildd.events import Event
from buildd.models import (
    Account,
    Artifact,
    Comment,
    Launch,
    Message,
    Model,
    Pool,
    Source,
    Task,
    Worker,
    Workspace,
)
from buildd.operations import ListTasks
from buildd.store import database_of, tables, upgrade
from buildd.store.schema import HEAD


def test_head_is_the_newest_migration() -> None:
    folder = Path(tables.__file__).parents[1] / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_the_migrations_make_what_the_rows_describe(database_url: str) -> None:
    engine = sa.create_engine(database_of(database_url).url)
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "autogenerate skipping metadata-specified")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, tables.metadata)
    engine.dispose()
    # SQLite cannot describe the direction of an index, so Alembic sees another index there.
    assert [d for d in differences if "task_claimable" not in str(d)] == []


def test_upgrading_twice_does_nothing(database_url: str) -> None:
    assert upgrade(database_url) is False


def test_many_that_start_together_upgrade_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    with ThreadPoolExecutor(4) as pool:
        brokers = list(pool.map(lambda _: Broker.open(url), range(4)))
    for broker in brokers:
        assert broker.execute(ListTasks(), ADMIN) == []
        broker.close()


def test_a_database_of_a_newer_buildd_is_refused(sqlite_url: str) -> None:
    engine = sa.create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="newer buildd"):
        Broker.open(sqlite_url)


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (Account, tables.account),
        (Workspace, tables.workspace),
        (Source, tables.source),
        (Task, tables.task),
        (Worker, tables.worker),
        (Artifact, tables.artifact),
        (Comment, tables.comment),
        (Message, tables.message),
        (Pool, tables.pool),
        (Launch, tables.launch),
        (Event, tables.event),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_field_of_a_model_has_its_column(model: type[Model], table: sa.Table) -> None:
    joined = {"spent_today", "reserved_today", "expires_at", "attachments", "open_launches"}
    missing = set(model.model_fields) - {column.key for column in table.columns} - joined
    assert missing == set()


def test_a_new_database_is_its_owners_only(tmp_path: Path) -> None:
    Broker.open(f"sqlite:///{tmp_path}/new.db").close()
    assert (tmp_path / "new.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///{tmp}/no/such/folder/x.db", "cannot be opened"),
        ("sqlite://", "needs a file"),
        ("sqlite:///x.db?mode=ro", "takes no options"),
        ("sqlite:///{tmp}/text.db", "not an intact SQLite database"),
        ("postgresql://u:hunter2@127.0.0.1:1/x", "127.0.0.1"),
        ("mysql://x/y", "no database 'mysql'"),
        ("not a url", "cannot be read"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_clear_line(
    tmp_path: Path, url: str, says: str
) -> None:
    (tmp_path / "text.db").write_text("This is a letter, not a database. " * 100)
    with pytest.raises(BuilddError, match=says) as refused:
        Broker.open(url.format(tmp=tmp_path))
    assert "\n" not in str(refused.value)
    assert "hunter2" not in str(refused.value)
