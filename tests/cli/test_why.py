"""Why a task waits, in words: for each account what is missing, and what to start if nothing is."""

from __future__ import annotations

from typing import Any

import pytest

import buildd
from tests.cli.conftest import Cli, Here


def account(here: Here, workspace: str | None, *options: str) -> dict[str, Any]:
    made: dict[str, Any] = here.json("accounts", "create", "mine", *options)
    if workspace:
        here.ok("accounts", "grant", made["id"], workspace)
    return made


@pytest.fixture
def workspace(here: Here) -> str:
    return str(here.json("workspaces", "list")[0]["id"])


def rows(printed: str) -> list[str]:
    """The lines of a table, with single spaces."""
    return [" ".join(line.split()) for line in printed.splitlines()]


def test_what_is_claimable_is_said_to_be(here: Here, workspace: str) -> None:
    mine, other = account(here, workspace), account(here, None, "--type", "service")
    task = here.json("tasks", "create", "Fix it")["id"]
    code, out, err = here("tasks", "why", task)
    assert (code, rows(out)) == (
        0,
        [
            f"{task} is claimable",
            "ACCOUNT TYPE WHAT IS MISSING NAME",
            f"{mine['id']} user nothing: it may claim it mine",
            f"{other['id']} service the account has no canClaim grant in the workspace mine",
        ],
    )
    assert f"Start an agent with the key of {mine['id']}:" in err
    assert f"buildd-agent --workspace {workspace}" in err
    assert here.json("tasks", "why", task)["claimable"] is True


def test_what_is_missing_is_said_with_its_figures(
    here: Here, workspace: str, sqlite_url: str
) -> None:
    mine = account(here, workspace, "--max-concurrent-workers", "1", "--max-cost-per-day", "7.5")
    first = here.json("tasks", "create", "First", "--max-cost", "5", "--priority", "1")["id"]
    second = here.json(
        *("tasks", "create", "Second", "--max-cost", "4", "--capability", "gpu"),
        *("--runner", "service", "--not-before", "2999-01-01T00:00Z", "--depends-on", first),
    )["id"]
    with buildd.connect(sqlite_url) as bd:
        bd.with_key(mine["apiKey"]).workers.claim()
    here.ok("accounts", "drain", mine["id"])
    ours, kind = mine["id"], "user"
    assert rows(here.ok("tasks", "why", second))[2:] == [
        f"every account it depends on tasks that are not completed: {first} (assigned)",
        "every account its notBefore is still to come (2999-01-01 00:00 UTC)",
        f"{ours} {kind} its runnerPreference is for another type of account (service) mine",
        f"{ours} {kind} no live agent of this account has all required capabilities (gpu) mine",
        f"{ours} {kind} the account is draining mine",
        f"{ours} {kind} all of the account's worker slots are taken (1 of 1) mine",
        (
            f"{ours} {kind} the account's budget for today does not allow it "
            "($5.00 of $7.50 spent or set aside, and it may cost $4.00) mine"
        ),
    ]
    code, out, err = here("tasks", "why", first)
    assert (code, out) == (0, f"{first} does not wait: it is assigned\n")
    assert err == f"Watch it: buildd tasks watch {first}\n"
    here.ok("tasks", "cancel", first)
    assert f"buildd tasks retry {first}" in here("tasks", "why", first)[2]


def test_a_task_that_only_waits_for_its_time(here: Here, workspace: str) -> None:
    mine = account(here, workspace)
    task = here.json("tasks", "create", "Later", "--not-before", "2999-01-01T00:00Z")["id"]
    code, out, err = here("tasks", "why", task)
    assert (code, err, rows(out)[3]) == (0, "", f"{mine['id']} user nothing else mine")


def test_nobody_is_there(here: Here) -> None:
    task = here.json("tasks", "create", "Fix it")["id"]
    code, out, err = here("tasks", "why", task)
    assert (code, out) == (0, f"{task} is not claimable now\n")
    assert "buildd accounts create" in err
    assert here.error(3, "tasks", "why", "task_unknown") == "there is no such task"


def test_draining_and_taking_work_again(remote: Cli) -> None:
    account_id = remote.json("accounts", "create", "Laptop")["id"]
    said = remote.ok("accounts", "drain", account_id)
    assert said == f"{account_id} takes no more work; its agents hand back what they hold\n"
    assert "0/3 draining" in remote.ok("accounts", "list", "--limit", "1")
    assert remote.json("accounts", "drain", account_id, "--undo")["draining"] is False


def test_a_task_that_runs_although_what_it_waited_for_failed(here: Here) -> None:
    first = here.json("tasks", "create", "First")["id"]
    after = ("--depends-on", first, "--on-dependency-failure")
    runs = here.json("tasks", "create", "Then", *after, "run")["id"]
    fails = here.json("tasks", "create", "Then", *after, "fail")["id"]
    here.ok("tasks", "cancel", first)
    assert [here.json("tasks", "show", each)["status"] for each in (runs, fails)] == [
        "pending",
        "failed",
    ]
