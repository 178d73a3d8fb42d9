"""`buildd audit`: what happened, for people, and an exit code for whoever watches over it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from tests.cli.conftest import Here


def _tamper(url: str, *statements: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        for verb in ("update", "delete", "replace"):
            database.execute(f"DROP TRIGGER audit_entry_no_{verb}")
        for each in statements:
            database.execute(each)
        database.commit()


def test_who_did_what(here: Here) -> None:
    account = here.json("accounts", "create", "mine")["id"]
    head, last, first = here.ok("audit", "list").splitlines()
    assert head.split()[:5] == ["SEQ", "AGE", "WHO", "ACTION", "SUBJECTS"]
    assert (last.split()[0], last.split()[-3:-1]) == ("2", last.split()[-3:-1])
    assert "createAccount" in last
    assert "createWorkspace" in first
    [entry] = here.json("audit", "list", "--about", account)
    assert (entry["action"], entry["actor"], entry["address"]) == ("createAccount", "admin", None)
    assert here.json("audit", "list", "--action", "createKey") == []
    _, _, err = here("audit", "list", "--limit", "1")
    assert err == "There may be more: add --cursor 2\n"
    [older] = here.json("audit", "list", "--limit", "1", "--cursor", "2")
    assert older["seq"] == 1


def test_a_sound_log(here: Here) -> None:
    said = here.ok("audit", "verify")
    head = said.split()[-1]
    assert said == f"1 entries, as they were written; the last is {head}\n"
    here.ok("accounts", "create", "mine")
    told = here.json("audit", "verify", "--head", head)
    assert (told["entries"], told["broken"]) == (2, None)
    assert told["head"].startswith("2:")


def test_a_log_that_was_changed(here: Here, sqlite_url: str) -> None:
    here.ok("accounts", "create", "mine")
    _tamper(sqlite_url, "UPDATE audit_entry SET actor = 'account' WHERE seq = 1")
    code, out, err = here("audit", "verify")
    assert (code, err) == (1, "")
    assert out == "BROKEN: entry 1 was changed: its content does not have its hash\n"


def test_a_log_that_was_cut_off(here: Here, sqlite_url: str) -> None:
    here.ok("accounts", "create", "mine")
    head = here.json("audit", "verify")["head"]
    _tamper(sqlite_url, "DELETE FROM audit_entry WHERE seq = 2")
    assert here("audit", "verify")[0] == 0
    code, out, _ = here("audit", "verify", "--head", head, "--json")
    how = "is missing, and all up to 2, which there once was"
    assert (code, json.loads(out)["broken"]) == (1, {"seq": 2, "how": how})
    code, out, _ = here("db", "audit", "--database", sqlite_url)
    assert (code, "the head of the audit log" in out) == (1, True)


@pytest.mark.parametrize("head", ["7", "x:y"])
def test_what_is_no_head(here: Here, head: str) -> None:
    assert "SEQ:HASH" in here.error(2, "audit", "verify", "--head", head)
