"""Keys from the command line: an account's, and administrators'."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

import buildd
from buildd.cli._types import Duration
from buildd.cli.keys import state
from buildd.models import Key
from tests.cli.conftest import Here


def test_an_accounts_keys(here: Here) -> None:
    account = here.json("accounts", "create", "laptop")
    keys = ("accounts", "keys")
    made = here.json(
        *(*keys, "create", account["id"], "--name", "CI", "--scope", "claim", "--scope", "read"),
        *("--expires-in", "90d"),
    )
    assert (made["name"], made["scopes"]) == ("CI", ["read", "claim"])
    life = datetime.fromisoformat(made["expiresAt"]) - datetime.fromisoformat(made["createdAt"])
    assert life == timedelta(days=90)
    rotated = here.json(*keys, "rotate", account["id"], made["id"], "--overlap", "0")
    head, *rows = here.ok(*keys, "list", account["id"]).splitlines()
    assert head.split() == ["ID", "STATE", "SCOPES", "USED", "REPLACED", "BY", "NAME"]
    assert [row.split()[0] for row in rows] == [rotated["id"], made["id"], account["keyId"]]
    assert rows[1].split()[1:] == ["expired", "read,claim", "never", rotated["id"], "CI"]
    assert here.ok(*keys, "revoke", account["id"], rotated["id"]) == f"revoked {rotated['id']}\n"
    assert here.json(*keys, "list", account["id"])[0]["revokedAt"]
    assert "was revoked" in here.error(3, *keys, "rotate", account["id"], rotated["id"])


SPANS = {"1": 1, "90s": 90, "2m": 120, "1h": 3600, "30d": 2_592_000}
NO_SPANS = ["", "d", "1w", "-1", "1.5h", "0", "9" * 5000, "1hd", "²", "99999d"]


def test_a_span_of_time_has_a_unit_and_bounds(here: Here) -> None:
    assert {text: Duration().convert(text, None, None) for text in SPANS} == SPANS
    for text in NO_SPANS:
        with pytest.raises(click.BadParameter, match="is not"):
            Duration().convert(text, None, None)
    refused = here.error(2, "accounts", "keys", "create", "acc_1", "--expires-in=1w")
    assert refused.startswith(
        "Invalid value for '--expires-in': '1w' is not a span of time such as"
    )


def test_administrators_keys(here: Here, sqlite_url: str) -> None:
    database = ("--database", sqlite_url)
    assert here("admin-key", "--list", *database)[2] == "No keys. Make one: buildd admin-key\n"
    made = here.json("admin-key", "--name", "board", "--scope", "read", *database)
    board = buildd.connect(sqlite_url).with_key(made["apiKey"])
    assert board.accounts.list() == []
    with pytest.raises(buildd.Forbidden, match="scope admin"):
        board.accounts.create_admin_key()
    board.close()
    code, new, said = here("admin-key", "--rotate", made["id"], "--overlap", "1h", *database)
    assert (code, new[:7]) == (0, "buildd_")
    assert said.startswith("An administrator's key, key_")
    _, first, second = here.ok("admin-key", "--list", *database).splitlines()
    assert first.split()[1:] == ["works", "read", "never", "board"]
    assert second.split()[1] == "until"


MIXED = {
    "--overlap means nothing without --rotate": ("--overlap", "1h"),
    "--name means nothing with --revoke": ("--revoke", "k", "--name", "x"),
    "--scope means nothing with --rotate": ("--rotate", "k", "--scope", "read"),
    "--revoke means nothing with --list": ("--list", "--revoke", "k"),
    "'31d' is not 0 to 2592000 seconds": ("--rotate", "k", "--overlap", "31d"),
}


def test_options_that_do_not_go_together(here: Here) -> None:
    for said, options in MIXED.items():
        assert said in here.error(2, "admin-key", *options)


def test_the_state_of_a_key() -> None:
    now = datetime.now(UTC)
    key = Key(id="key_1", scopes=["read"], created_at=now)  # type: ignore[list-item]
    assert state(key) == "works"
    assert state(key.model_copy(update={"expires_at": now})) == "expired"
    later = key.model_copy(update={"expires_at": datetime(2999, 1, 1, tzinfo=UTC)})
    assert state(later) == "until 2999-01-01 00:00 UTC"
    assert state(later.model_copy(update={"revoked_at": now})) == "revoked"
