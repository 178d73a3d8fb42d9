"""The four ways to reach a broker, so that one test can hold all of them to the same story."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.postgres import Postgres

if TYPE_CHECKING:
    from buildd.broker import Broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running Postgres, for all tests of this run."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the present schema and nothing in it."""
    from buildd.broker import Broker

    path = tmp_path_factory.mktemp("template") / "buildd.db"
    Broker.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """The name of a Postgres database with the present schema and nothing in it."""
    from buildd.broker import Broker

    postgres.sql("CREATE DATABASE template_buildd")
    Broker.open(postgres.url("template_buildd")).close()
    return "template_buildd"


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database."""
    path = tmp_path / "buildd.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(
    postgres: Postgres, postgres_template: str, _numbers: Iterator[int]
) -> Iterator[str]:
    """A fresh Postgres database."""
    name = f"test_{next(_numbers)}"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield postgres.url(name)
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database, of both kinds in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def broker(database_url: str) -> Iterator[Broker]:
    """A broker on a fresh database."""
    from buildd.broker import Broker

    broker = Broker.open(database_url)
    yield broker
    broker.close()
