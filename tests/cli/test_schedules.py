"""Tasks that come again, from the command line."""

from __future__ import annotations

from contextlib import closing

import pytest

import buildd
from buildd.broker import Broker, BrokerSettings
from buildd.testing import FrozenClock
from tests.cli.conftest import Cli, Here


def test_a_schedule_from_its_making_to_its_end(remote: Cli) -> None:
    remote.environ["BUILDD_WORKSPACE"] = remote.json("workspaces", "create", "shop")["id"]
    empty = remote("schedules", "list")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "buildd schedules create" in empty.stderr
    made = remote.json(
        *("schedules", "create", "Nightly", "--cron", "30 23 * * *", "--timezone", "Asia/Tokyo"),
        *("--description", "-", "--max-cost", "1.1", "--capability", "gpu", "--timeout", "60"),
        stdin="Update all dependencies.",
    )
    assert made["task"] == {
        "title": "Nightly",
        "description": "Update all dependencies.",
        "maxCost": 1.1,
        "requiredCapabilities": ["gpu"],
        "timeoutSeconds": 60,
    }
    assert made["nextRunAt"].endswith("T14:30:00Z")
    head, row = remote.ok("schedules", "list").splitlines()
    assert head.split() == ["ID", "NEXT", "CRON", "TIMEZONE", "NAME", "ERROR"]
    assert " ".join(row.split()[2:]) == "14:30 UTC 30 23 * * * Asia/Tokyo Nightly"
    assert remote.json("schedules", "show", made["id"]) == made

    changed = remote.json(
        *("schedules", "update", made["id"], "--disable", "--cron", "@daily", "--priority", "3"),
        *("--clear", "max-cost", "--clear", "required-capabilities", "--title", "Dependencies"),
    )
    assert (changed["cron"], changed["enabled"], changed["name"]) == ("@daily", False, "Nightly")
    assert changed["task"] == {
        "title": "Dependencies",
        "description": "Update all dependencies.",
        "priority": 3,
        "timeoutSeconds": 60,
    }
    assert remote.ok("schedules", "list").splitlines()[1].split()[1] == "off"
    assert remote.ok("schedules", "delete", made["id"], "--yes") == f"deleted {made['id']}\n"
    assert remote.error(3, "schedules", "show", made["id"]) == "there is no such schedule"


def test_a_change_of_the_times_leaves_the_tasks_alone(here: Here) -> None:
    made = here.json("schedules", "create", "n", "--cron", "@weekly", "--title", "t", "--disabled")
    assert made["enabled"] is False
    enabled = here.json("schedules", "update", made["id"], "--enable", "--timezone", "Asia/Tokyo")
    assert (enabled["enabled"], enabled["task"]) == (True, {"title": "t"})
    assert enabled["nextRunAt"].endswith("T15:00:00Z")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cron", "61 * * * *"), "cron: is not a cron expression: "),
        (("--cron", "@weekly", "--timezone", "Mars"), "timezone: is not a time zone such as "),
        (("--cron", "@weekly", "--max-cost", "1e30"), "task.maxCost: "),
        ((), "Missing option '--cron'"),
    ],
)
def test_a_wrong_field_is_named(here: Here, options: tuple[str, ...], said: str) -> None:
    assert here.error(2, "schedules", "create", "n", *options).startswith(said)
    assert here.json("schedules", "list") == []


def test_a_schedule_needs_a_workspace(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUILDD_WORKSPACE")
    said = here.error(2, "schedules", "create", "n", "--cron", "@daily")
    assert said.startswith("which workspace? ")


def test_a_schedule_that_stopped_says_why(here: Here, sqlite_url: str) -> None:
    task = here.json("tasks", "create", "first")
    parent, template = task["id"], {"title": "t", "dependsOn": [task["id"]]}
    with buildd.connect(sqlite_url) as bd:
        made = bd.schedules.create(
            workspace_id=task["workspaceId"], name="n", cron="@weekly", task=template
        )
    here.ok("tasks", "cancel", parent)
    clock = FrozenClock()
    clock.advance(366 * 86400 * 100)
    with closing(Broker.open(sqlite_url, BrokerSettings(clock=clock))) as broker:
        broker.reaper.sweep()
    reason = f"dependsOn: {parent} is cancelled: retry it first"
    [_, row] = here.ok("schedules", "list").splitlines()
    assert row.split()[1] == "failed"
    assert row.endswith(reason)
    assert reason in here.ok("schedules", "show", made.id)
