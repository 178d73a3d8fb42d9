"""`buildd db audit`: silent on a sound database, and an exit code for whoever watches over one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Cli, Here


def test_a_sound_database(cli: Cli, sqlite_url: str) -> None:
    (cli.directory / ".env").write_text(f"BUILDD_DATABASE={sqlite_url}\n")
    assert cli.ok("db", "audit") == f"{sqlite_url}: no differences\n"
    assert cli.json("db", "audit") == []


def test_postgres_too(here: Here, postgres_url: str) -> None:
    assert here.ok("db", "audit", "--database", postgres_url).endswith(": no differences\n")


def test_a_counter_that_is_wrong(cli: Cli, here: Here, sqlite_url: str) -> None:
    account = here.json("accounts", "create", "mine")["id"]
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as database:
        database.execute("UPDATE account SET live_workers = 2")
        database.commit()
    found = cli("db", "audit", "--database", sqlite_url)
    assert found.returncode == 1
    head, row = found.stdout.splitlines()
    assert head.split() == ["CHECK", "ID", "COUNTER", "ROWS"]
    assert row.split()[-3:] == [account, "2", "0"]
    code, out, _ = here("db", "audit", "--database", sqlite_url, "--json")
    assert (code, '"check": "an account\'s live workers"' in out) == (1, True)


def test_what_is_no_database_of_this_version(here: Here, tmp_path: Path) -> None:
    said = here.error(2, "db", "audit", "--database", "sqlite:///gone.db")
    assert said == f"there is no SQLite database at {tmp_path / 'gone.db'}"
    assert not (tmp_path / "gone.db").exists()
    (tmp_path / "empty.db").touch()
    assert "buildd db upgrade" in here.error(2, "db", "audit", "--database", "sqlite:///empty.db")
