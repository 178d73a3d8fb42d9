"""One story through the command line: on a database, and through a server that asks for a key."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ADMIN_KEY, Cli


def test_from_an_account_to_a_task_that_is_called_off(remote: Cli) -> None:
    cli = remote
    workspace = cli.json("workspaces", "create", "shop", "--repo", "https://example.com/shop")
    account = cli.json(
        "accounts", "create", "Laptop", "--type", "service", "--max-cost-per-day", "7.5"
    )
    assert (account["type"], account["maxCostPerDay"]) == ("service", 7.5)
    assert account["apiKey"].startswith("buildd_")
    said = cli.ok("accounts", "grant", account["id"], workspace["id"], "--can-create")
    assert said == f"{account['id']} may claim and create in {workspace['id']}\n"
    (grant,) = cli.json("accounts", "grants", account["id"])
    assert (grant["canClaim"], grant["canCreate"]) == (True, True)

    task = cli.json(
        *("tasks", "create", "Fix the login test", "--workspace", workspace["id"]),
        *("--description", "-", "--runner", "service", "--capability", "node", "--priority", "5"),
        *("--max-cost", "1.25", "--timeout", "60", "--not-before", "2026-01-31T08:00Z"),
        *("--context", '{"ticket": 7}'),
        stdin="It fails\non Mondays.",
    )
    assert task["description"] == "It fails\non Mondays."
    assert (task["runnerPreference"], task["requiredCapabilities"]) == ("service", ["node"])
    assert (task["maxCost"], task["timeoutSeconds"], task["priority"]) == (1.25, 60, 5)
    assert (task["notBefore"], task["context"]) == ("2026-01-31T08:00:00Z", {"ticket": 7})

    second = cli.json(
        *("tasks", "create", "Then that", "--workspace", workspace["id"]),
        *("--depends-on", task["id"]),
    )
    assert second["dependsOn"] == [task["id"]]
    listed = cli.json("tasks", "list", BUILDD_WORKSPACE=workspace["id"])
    assert [each["id"] for each in listed] == [second["id"], task["id"]]
    table = cli.ok("tasks", "list", "--limit", "1", "--workspace", workspace["id"])
    assert second["id"] in table
    assert "Then that" in table

    changed = cli.json("tasks", "update", task["id"], "--clear", "max-cost", "--priority", "1")
    assert (changed["maxCost"], changed["priority"], changed["title"]) == (None, 1, task["title"])
    assert cli.ok("tasks", "cancel", task["id"]) == f"cancelled {task['id']}\n"
    assert cli("tasks", "watch", task["id"]).returncode == 1
    wrong = cli.error(3, "tasks", "cancel", task["id"])
    assert wrong == "cancel does not apply to a task that is cancelled"
    assert cli.error(3, "tasks", "show", "task_unknown") == "there is no such task"
    again = cli.json("tasks", "retry", task["id"], "--max-cost", "7.50")
    assert (again["status"], again["maxCost"]) == ("pending", 7.5)
    refused = cli.error(2, "tasks", "delete", task["id"])
    assert refused.startswith("add --yes to delete without being asked")
    assert cli.json("tasks", "delete", second["id"], "--yes") == {
        "id": second["id"],
        "deleted": True,
    }


def test_the_same_without_a_server(embedded: Cli) -> None:
    empty = embedded("workspaces", "list")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "buildd workspaces create" in empty.stderr
    workspace = embedded.json("workspaces", "create", "shop")
    embedded.environ["BUILDD_WORKSPACE"] = workspace["id"]
    task = embedded.json("tasks", "create", "Fix the login test")
    assert task["workspaceId"] == workspace["id"]
    listed = embedded.ok("tasks", "list").splitlines()
    assert [line.split()[:2] for line in listed] == [["ID", "STATUS"], [task["id"], "pending"]]
    assert embedded.error(3, "tasks", "retry", task["id"])


def test_keys_and_who_they_let_in(cli: Cli, server: str) -> None:
    admin = {"BUILDD_API_KEY": ADMIN_KEY}
    cli.environ["BUILDD_SERVER"] = server
    account = cli.json("accounts", "create", "Laptop", **admin)
    mine = {"BUILDD_API_KEY": account["apiKey"]}
    assert cli.json("accounts", "show", "me", **mine)["id"] == account["id"]
    assert "set BUILDD_API_KEY" in cli.error(4, "tasks", "list")
    assert "set BUILDD_API_KEY" in cli.error(4, "tasks", "list", BUILDD_API_KEY="buildd_typo")
    cli.error(4, "accounts", "list", **mine)

    other = cli.json("accounts", "keys", "create", account["id"], **admin)
    assert cli.ok("accounts", "keys", "revoke", account["id"], account["keyId"], **admin)
    assert cli.json("accounts", "show", "me", BUILDD_API_KEY=other["apiKey"])["id"] == account["id"]

    minted = cli.ok("admin-key", **admin).strip()
    assert cli.json("accounts", "list", BUILDD_API_KEY=minted)[0]["id"] == account["id"]


def test_an_admin_key_is_made_in_the_database_itself(cli: Cli, sqlite_url: str) -> None:
    (cli.directory / ".env").write_text(f"BUILDD_DATABASE={sqlite_url}\nBUILDD_SECRET=pepper\n")
    made = cli("admin-key")
    said = re.fullmatch(rf"An administrator's key, (key_\w+), for {sqlite_url}:\n", made.stderr)
    assert said
    assert made.stdout.startswith("buildd_")
    assert cli.ok("admin-key", "--revoke", said[1]) == f"revoked {said[1]}\n"
    assert cli.error(3, "admin-key", "--revoke", "key_unknown")
    assert cli.error(2, "admin-key", "--database", sqlite_url, "--server", "http://x").startswith(
        "give --database or --server, not both"
    )


def test_a_server_that_is_not_there_or_cannot_be_one(cli: Cli) -> None:
    said = cli.error(5, "tasks", "list", "--server", "http://127.0.0.1:9")
    assert said.startswith("no server answers at http://127.0.0.1:9")
    for url in ("ftp://x", "127.0.0.1:3000"):
        cli.error(2, "tasks", "list", "--server", url)


def test_a_database_that_cannot_be_one(cli: Cli) -> None:
    (cli.directory / "text.db").write_text("this is no database, whatever its name says" * 100)
    for url in ("sqlite:///no/such/directory/x.db", "sqlite:///text.db"):
        done = cli("db", "upgrade", "--database", url)
        assert done.returncode in {2, 5}, done
        assert done.stderr.startswith("buildd: error: ")
        assert done.stderr.count("\n") == 1


def test_what_the_database_is_and_what_is_set(cli: Cli) -> None:
    assert cli.ok("db", "upgrade") == "sqlite:///buildd.db was brought up to date\n"
    assert cli.ok("db", "upgrade") == "sqlite:///buildd.db is up to date\n"
    (cli.directory / ".env").write_text("BUILDD_API_KEY=buildd_abcdefghijkl\n")
    shown = {row["name"]: row for row in cli.json("config", "show")}
    assert shown["database"]["source"] == "default"
    assert shown["api_key"] == {"name": "api_key", "value": "buildd_abc…", "source": ".env"}
    assert "buildd_abc…" in cli.ok("config", "show")
    (cli.directory / ".env").write_text("BUILDD_SERVER=x\nwhat is this\n")
    assert cli.error(2, "config", "show") == ".env line 2: is not of the form NAME=value"


def test_a_description_that_is_no_text(cli: Cli) -> None:
    (cli.directory / "latin.txt").write_bytes(b"caf\xe9")
    said = cli.error(
        *(2, "tasks", "create", "x", "--workspace", "ws_x", "--description-file", "latin.txt")
    )
    assert said.startswith("latin.txt is not UTF-8 text")


def test_a_disk_that_is_full_is_told(cli: Cli) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "buildd", "version", "--json"],
            cwd=cli.directory,
            env=cli.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"buildd: error: No space left on device\n")
