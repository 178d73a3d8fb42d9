"""Pools and launches from the command line, by id or name; and what makes a machine an agent."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

import buildd
from buildd.cli import pools
from buildd.cli._verb import setters
from buildd.models import Pool
from tests.cli.conftest import Cli, Here


def test_a_pool_from_its_making_to_its_end(remote: Cli) -> None:
    empty = remote("pools", "list")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "buildd pools create" in empty.stderr
    account = remote.json("accounts", "create", "vm", "--type", "service")["id"]
    made = remote.json(
        *("pools", "create", "cellar", "--account", account, "--runner", "local", "--disabled"),
        *("--capability", "gpu", "--argument=--executor=claude", "--pass-env", "ANTHROPIC_API_KEY"),
        *("--config", '{"state_dir": "/agents"}', "--maximum", "3", "--start-timeout", "60"),
        *("--address", "http://127.0.0.1:3000"),
    )
    assert made["arguments"] == ["--executor=claude"]
    assert (made["startTimeoutSeconds"], made["config"]) == (60, {"state_dir": "/agents"})
    head, row = remote.ok("pools", "list", "--account", account).splitlines()
    assert head.split() == ["ID", "NAME", "STATE", "LAUNCHES", "RUNNER", "ERROR"]
    assert row.split() == [made["id"], "cellar", "disabled", "0/3", "local"]
    assert remote.json("pools", "show", "cellar") == made
    assert remote.json("pools", "show", made["id"]) == made
    changed = remote.json(
        *("pools", "update", "cellar", "--enable", "--name", "attic", "--minimum", "1"),
        *("--clear", "capabilities", "--clear", "address"),
    )
    assert (changed["name"], changed["enabled"], changed["minimum"]) == ("attic", True, 1)
    assert (changed["capabilities"], changed["server"]) == ([], None)
    assert remote.error(3, "pools", "show", "cellar").startswith("there is no pool 'cellar'")
    assert remote.ok("pools", "delete", "attic", "--yes") == "deleted attic\n"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"retry_at": "2999-01-31T08:15:00Z"}, "waits until 08:15:00 UTC"),
        ({"retry_at": "2026-01-31T08:15:00Z"}, "enabled"),
        ({"retry_at": "2999-01-31T08:15:00Z", "halted": True}, "halted"),
        ({"halted": True, "enabled": False}, "disabled"),
    ],
)
def test_a_pool_waits_until_its_time_and_no_longer(fields: dict[str, Any], shown: str) -> None:
    then = "2026-01-31T08:00:00Z"
    pool = {"id": "pool_1", "account_id": "acc_1", "name": "p", "runner": "local", **fields}
    made = Pool.model_validate({**pool, "created_at": then, "updated_at": then})
    assert pools._state(made) == shown


def test_a_wrong_field_is_named(here: Here) -> None:
    account = here.json("accounts", "create", "vm", "--type", "service")["id"]
    create = ("pools", "create", "p", "--account", account, "--runner", "local")
    said = here.error(2, *create, "--pass-env", "BUILDD_ADMIN_KEY")
    assert said.startswith("passEnv: BUILDD_ADMIN_KEY is buildd's own")
    assert here.error(2, *create, "--address", "nowhere").startswith("server: must be a URL")
    here.ok(*create)
    here.ok("pools", "update", "p", "--name", "pool_p")  # no id, though it begins like one
    assert here.json("pools", "show", "pool_p")["name"] == "pool_p"
    here.ok("pools", "update", "pool_p", "--name", "p")
    for verb in ("check", "reap"):
        assert "this broker runs no pools: ask a server" in here.error(3, "pools", verb, "p")


def test_what_is_set_is_not_cleared_too(here: Here) -> None:
    said = here.error(2, "pools", "update", "p", "--clear", "arguments", "--argument=--once")
    assert said.startswith("give --argument or --clear arguments, not both: --argument replaces")
    assert "give --timeout or --clear" in here.error(
        2, "tasks", "update", "task_1", "--timeout", "9", "--clear", "timeout-seconds"
    )


@pytest.mark.parametrize("noun", ["accounts", "pools", "schedules", "tasks", "workspaces"])
def test_whatever_can_be_cleared_can_be_set(noun: str) -> None:
    group = getattr(import_module(f"buildd.cli.{noun}"), noun)
    update = group.commands["update"]
    [clear] = [each for each in update.params if each.name == "clear"]
    for name in clear.type.choices:
        assert setters(update, name), name


def test_there_are_no_launches_without_a_dispatcher(here: Here) -> None:
    code, out, err = here("launches", "list", "--open")
    assert (code, out, err) == (0, "", "No such launches.\n")
    assert here.json("launches", "list", "--over") == []
    assert here.error(3, "launches", "show", "lch_x") == "there is no such launch"
    assert here.error(3, "launches", "stop", "lch_x") == "there is no such launch"


def test_a_machine_enrols_with_what_an_administrator_made(here: Here, sqlite_url: str) -> None:
    account = here.json("accounts", "create", "vm", "--type", "service")["id"]
    made = here.json("accounts", "enrol", account, "--expires-in", "60")
    with buildd.connect(sqlite_url) as bd:
        enrolled = bd.with_key(made["token"]).accounts.enrol()
        assert bd.with_key(enrolled.api_key).accounts.me().id == account


def test_why_shows_what_each_pool_lacks(here: Here) -> None:
    workspace = here.json("workspaces", "list")[0]["id"]
    account = here.json("accounts", "create", "vm", "--type", "service")["id"]
    here.ok("accounts", "grant", account, workspace)
    here.ok("pools", "create", "cellar", "--account", account, "--runner", "local")
    here.ok("pools", "create", "attic", "--account", account, "--runner", "vm", "--disabled")
    task = here.json("tasks", "create", "Fix it")["id"]
    code, out, _ = here("tasks", "why", task)
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert (code, rows[-3:]) == (
        0,
        [
            "POOL RUNNER WHAT IS MISSING",
            "cellar local nothing: it will start an agent",
            "attic vm the pool is disabled",
        ],
    )
