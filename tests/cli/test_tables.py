"""Tables on terminals of every width: what can be left out is, and nothing is cut in silence."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from typing import IO

import pytest

import buildd
from buildd.cli._app import root
from buildd.cli._exits import run
from buildd.models import ArtifactType
from buildd.routing import AccountType
from buildd.states import WorkerStatus
from tests.cli.conftest import Here

TITLE = "Mend the rounding of prices in the till where a receipt has more than one currency"
REPOSITORY = "https://example.invalid/an-organisation-with-a-name/and-a-shop.git"
ACCOUNT = "the virtual machine in the cellar, second rack"

SHOWN: dict[str, dict[int, str]] = {
    "tasks": {
        60: "ID TITLE",
        80: "ID STATUS ATTEMPT AGE TITLE",
        100: "ID STATUS RUNNER PRIORITY ATTEMPT AGE TITLE",
        160: "ID STATUS RUNNER PRIORITY ATTEMPT AGE TITLE",
    },
    "workers": {
        60: "ID STATUS PROGRESS COST",
        80: "ID STATUS COST TASK",
        100: "ID STATUS PROGRESS COST TASK AGE",
        160: "ID STATUS PROGRESS COST TASK AGE BRANCH",
    },
    "accounts": {
        60: "ID NAME",
        80: "ID TYPE WORKERS TASKS NAME",
        100: "ID TYPE WORKERS TODAY TASKS NAME",
        160: "ID TYPE WORKERS TODAY TASKS NAME",
    },
    "workspaces": {
        60: "ID NAME",
        80: "ID NAME REPOSITORY",
        100: "ID NAME REPOSITORY",
        160: "ID NAME REPOSITORY",
    },
    "schedules": {
        60: "ID NAME",
        80: "ID NEXT NAME",
        100: "ID NEXT CRON NAME ERROR",
        160: "ID NEXT CRON TIMEZONE NAME ERROR",
    },
    "artifacts": {
        60: "ID AGE TITLE",
        80: "ID TYPE AGE TITLE",
        100: "ID TYPE AGE TITLE",
        160: "ID TYPE WORKER AGE TITLE",
    },
}
"""The columns of each table, by the width of the terminal."""

Terminal = Callable[..., list[str]]


@pytest.fixture
def terminal(here: Here, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Runs a command with a terminal for its output: the lines that it prints there."""

    def lines(width: int, *arguments: str) -> list[str]:
        ours, theirs = pty.openpty()
        with monkeypatch.context() as patch, os.fdopen(ours, "rb", buffering=0) as screen:
            patch.setenv("COLUMNS", str(width))
            patch.setenv("TERM", "xterm")
            with os.fdopen(theirs, "w", encoding="utf-8") as stdout:
                patch.setattr(sys, "stdout", stdout)
                assert run(root, arguments, "buildd") == 0
            drawn = b"".join(_until_it_closes(screen)).decode()
        return re.sub(r"\x1b\[[0-9;]*m", "", drawn).splitlines()

    return lines


def _until_it_closes(screen: IO[bytes]) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # How Linux says that the other side is gone.
        while piece := screen.read(65536):
            yield piece


@pytest.fixture
def tables(here: Here) -> dict[str, tuple[list[str], str]]:
    """The command for each table, with the id that its one row has; nothing in them is short."""
    with buildd.connect(os.environ["BUILDD_SERVER"]) as bd:
        workspace = bd.workspaces.create(name=ACCOUNT, repo=REPOSITORY)
        account = bd.accounts.create(type=AccountType.SERVICE, name=ACCOUNT)
        bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
        task = bd.tasks.create(workspace_id=workspace.id, title=TITLE)
        (worker,) = bd.with_key(account.api_key).workers.claim().workers
        agent = bd.with_key(worker.lease.token)
        agent.workers.start(id=worker.id)
        agent.workers.heartbeat(id=worker.id, status=WorkerStatus.RUNNING, progress=40)
        artifact = agent.artifacts.create(
            worker_id=worker.id, type=ArtifactType.SUMMARY, title=TITLE, content="done"
        )
    zone = ("--timezone", "America/Argentina/Buenos_Aires")
    schedule = here.json(
        *("schedules", "create", TITLE, "--title", TITLE, "--cron", "0 6 * * 1-5", *zone),
        *("--workspace", workspace.id),
    )
    where = ["--workspace", workspace.id]
    return {
        "tasks": (["tasks", "list", *where], task.id),
        "workers": (["workers", "list", *where], worker.id),
        "accounts": (["accounts", "list"], account.id),
        "workspaces": (["workspaces", "list", "--limit", "1"], workspace.id),
        "schedules": (["schedules", "list", *where], schedule["id"]),
        "artifacts": (["tasks", "artifacts", task.id], artifact.id),
    }


def test_what_matters_most_fits_every_terminal(
    terminal: Terminal, tables: dict[str, tuple[list[str], str]]
) -> None:
    for name, (command, id_) in tables.items():
        for width, columns in SHOWN[name].items():
            head, row, *_ = terminal(width, *command)
            assert head.split() == columns.split(), (name, width)
            assert row.startswith(id_)
            assert len(row) <= width
            if "TITLE" in columns:
                assert len(row) - head.index("TITLE") >= 20


def test_what_is_cut_has_a_mark(
    terminal: Terminal, tables: dict[str, tuple[list[str], str]]
) -> None:
    command, id_ = tables["tasks"]
    _, row = terminal(80, *command)
    assert row.endswith("…")
    assert TITLE.startswith(row.rpartition("  ")[2].removesuffix("…"))
    assert terminal(20, *command)[1].startswith(id_)  # The terminal goes on in its next line.


def test_a_table_that_goes_elsewhere_is_whole(
    here: Here, monkeypatch: pytest.MonkeyPatch, tables: dict[str, tuple[list[str], str]]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for name, (command, id_) in tables.items():
        head, row, *_ = here.ok(*command).splitlines()
        assert head.split() == SHOWN[name][160].split()
        assert id_ in row
        assert "…" not in row
    assert here.ok(*tables["tasks"][0]).splitlines()[1].endswith(TITLE)
