"""The four ways to reach a broker, so that one test can hold all of them to the same story."""

from __future__ import annotations

import gc
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from buildd.broker import Broker
from buildd.client import Client, connect
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd_server.app import create_app
from buildd_server.listening import listen
from buildd_server.serving import Server
from buildd_server.settings import Settings
from tests.blank import Blanks
from tests.postgres import Postgres

# Whatever starts the tests in the background ignores Ctrl-C, or like `nohup` the end of the terminal,
# and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TOGETHER = (
    "tests/agent/test_hostile.py",  # one agent meets all the attacks, which takes a minute
    "tests/deploy/test_two_servers.py",
    "tests/packaging/test_example_plugins.py",  # these build a package
    "tests/packaging/test_wheel.py",
    "tests/runners/test_claude_code.py",  # an agent tells what another, which was killed, has left
    "tests/server/",  # most of these share a server
    "tests/tenancy/",
    "tests/webhooks/",  # these share a broker for each database
)
"""Where the tests of a module run in one process of pytest-xdist, one after the other."""


def pytest_collection_finish() -> None:
    """Have what thousands of tests consist of left alone: to look it through takes longer than they do."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give each test to whoever is free, and all of such a module to one.

    The mark `xdist_group` means that too, but has no effect with pytest 9.2 (pytest-xdist#1386).
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if module.startswith(TOGETHER) else nodeid

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running Postgres, for all tests of this run."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the present schema and nothing in it."""
    path = tmp_path_factory.mktemp("template") / "buildd.db"
    Broker.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def blanks(postgres: Postgres) -> Blanks:
    """Blank databases of that Postgres."""
    return Blanks(postgres)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database."""
    path = tmp_path / "buildd.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(blanks: Blanks) -> Iterator[str]:
    """A fresh Postgres database."""
    with blanks.lend() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database, of both kinds in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def module_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database that a module's tests share, of both kinds in turn."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = tmp_path_factory.mktemp("module") / "buildd.db"
        shutil.copy(template, path)
        yield f"sqlite:///{path}"
    else:
        blanks: Blanks = request.getfixturevalue("blanks")
        with blanks.lend() as url:
            yield url


@pytest.fixture
def broker(database_url: str) -> Iterator[Broker]:
    """A broker on a fresh database."""
    broker = Broker.open(database_url)
    yield broker
    broker.close()


@contextmanager
def serving(broker: Broker, settings: Settings | None = None) -> Iterator[str]:
    """A real server of a broker on a free loopback port, in local mode; gives its address."""
    [listener] = listen("127.0.0.1", 0)
    with listener:
        server = Server(create_app(broker, settings or Settings(rate_limit=0)))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(params=["embedded", "http"])
def bd(request: pytest.FixtureRequest, broker: Broker) -> Iterator[Client]:
    """The owner's client, embedded and over HTTP in turn, on both kinds of database."""
    if request.param == "embedded":
        with Client(EmbeddedTransport(Embedding(broker))) as client:
            yield client
    else:
        with serving(broker) as address, connect(address) as client:
            yield client
