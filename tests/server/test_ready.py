"""`/ready`: each check says no when its part cannot work, and nobody hears where the database is."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest
import sqlalchemy as sa

from buildd.broker import ADMIN
from buildd.errors import Unavailable
from buildd.operations import CreateWorkspace
from buildd.store import Statement
from buildd.store.schema import HEAD
from tests.postgres import Postgres
from tests.server.serving import ADMIN_KEY, Running, problem, running

SET_REVISION = Statement(
    sa.update(sa.table("alembic_version", sa.column("version_num"))).values(
        version_num=sa.bindparam("revision", type_=sa.String())
    )
)
CHECKS = ("database", "schema", "writer", "feed", "serving")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is asked anew, and given up soon."""
    monkeypatch.setattr("buildd_server.health.FRESH_SECONDS", 0)
    monkeypatch.setattr("buildd_server.health.READY_SECONDS", 0.5)
    monkeypatch.setattr("buildd.store.dialects._BUSY_SECONDS", 1)


@pytest.fixture
def server(database_url: str) -> Iterator[Running]:
    with running(database_url) as server:
        yield server


def ready(server: Running) -> httpx2.Response:
    with server.client() as client:
        return client.get("/ready")


def failed(server: Running) -> set[str]:
    answer = ready(server)
    document = answer.json()
    assert set(document["checks"]) == set(CHECKS)
    if answer.status_code == 200:
        assert document["status"] == "ready"
    else:
        problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"]
    assert answer.headers["cache-control"] == "no-store"
    return {name for name, ok in document["checks"].items() if not ok}


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """What every write waits for is held by somebody else."""
    if database_url.startswith("sqlite"):
        path = database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE setting")
        yield


def test_a_server_that_can_work_says_so(server: Running) -> None:
    assert failed(server) == set()
    with server.client() as client:
        assert client.get("/health").json() == {"status": "ok"}


def test_a_writer_that_is_stuck(
    server: Running, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with locked(database_url):
        assert "writer" in failed(server)
    assert "not ready: database, writer" in caplog.text
    server.broker.health().exception()  # The lock was given back; what waited for it has ended.
    assert failed(server) == set()


def test_a_schema_that_another_version_made(server: Running) -> None:
    put = server.broker._store.write
    put(lambda tx: tx.run(SET_REVISION, revision="9999")).result()
    assert failed(server) == {"schema"}
    put(lambda tx: tx.run(SET_REVISION, revision=HEAD)).result()
    assert failed(server) == set()


def test_a_feed_that_is_stuck(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildd_server.health.FEED_SECONDS", -1)
    assert failed(server) == {"feed"}


def test_a_server_that_stops_says_so_at_once(sqlite_url: str) -> None:
    with running(sqlite_url) as server:
        server.server._app.state.shutdown.begin()
        assert failed(server) == {"serving"}


def test_many_who_ask_cost_one_write(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("buildd_server.health.FRESH_SECONDS", 3600)
    with running(sqlite_url) as server, server.client() as client:
        client.get("/ready")
        with locked(sqlite_url):
            assert {client.get("/ready").status_code for _ in range(50)} == {200}


def test_callers_hear_that_the_database_is_away_and_only_the_log_where_it_was(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildd.store.dialects._BUSY_SECONDS", 0)
    place = Path(sqlite_url.removeprefix("sqlite:///"))
    with running(sqlite_url) as server, server.client(ADMIN_KEY) as client, locked(sqlite_url):
        answer = client.post("/api/workspaces", json={"name": "shop"})
        told = problem(answer, 503, "unavailable")
        assert told["detail"] == "the database cannot be used now"
        assert str(place.parent) not in answer.text + ready(server).text
        assert str(place) in caplog.text
        # Who has the broker in his own process is told all of it.
        with pytest.raises(Unavailable, match=str(place)):
            server.broker.execute(CreateWorkspace(name="shop"), ADMIN)


def test_a_postgres_that_takes_no_connections(
    postgres_url: str, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    with running(postgres_url) as server, server.client(ADMIN_KEY) as client:
        caplog.set_level(logging.WARNING, "buildd")
        postgres.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        try:
            postgres.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"  # noqa: S608 - our own name
                f" WHERE datname = '{name}'"
            )
            answers = [client.post("/api/workspaces", json={"name": "shop"}), ready(server)]
        finally:
            postgres.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        for answer in answers:
            problem(answer, 503, "unavailable")
            assert name not in answer.text
            assert "buildd-pg" not in answer.text
        assert failed(server) == set()
    assert "not currently accepting connections" in caplog.text
