"""`buildd sources`: made, listed, synced with an installed plugin, deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Here

NOTES = Path(__file__).parents[2] / "examples" / "custom_source"
ENTRY = "[buildd.plugins]\nnotes = buildd_notes\n"


@pytest.fixture
def notes(embedded: Cli, tmp_path: Path) -> Path:
    """A folder with a note, and a command line that has the example plugin."""
    info = tmp_path / "site" / "buildd_notes-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: buildd-notes\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY)
    found = [str(info.parent), str(NOTES), embedded.environ["PYTHONPATH"]]
    embedded.environ["PYTHONPATH"] = os.pathsep.join(found)
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "gate.md").write_text("# Oil the gate\n\nIt squeaks.\n")
    return folder


def source(cli: Cli, workspace: str, folder: str) -> str:
    config = f'{{"directory": {{"env": "{folder}"}}}}'
    more = ["--type", "notes", "--config", config]
    return str(cli.json("sources", "create", workspace, "notes", *more)["id"])


def test_tasks_come_from_a_source(embedded: Cli, notes: Path) -> None:
    cli = embedded
    workspace = cli.json("workspaces", "create", "garden")["id"]
    made = source(cli, workspace, "NOTES")
    said = cli.ok("sources", "sync", made, NOTES=str(notes))
    assert said == f"{made} notes: 1 created, 0 updated, 0 unchanged\n"
    (notes / "gate.md").write_text("# Oil both gates\n")
    (notes / "roof.md").write_text("# Mend the roof\n")
    [done] = cli.json("sources", "sync", "--workspace", workspace, NOTES=str(notes))
    assert (done["created"], done["updated"], done["unchanged"]) == (1, 1, 0)
    titles = {task["title"] for task in cli.json("tasks", "list", "--workspace", workspace)}
    assert titles == {"Oil both gates", "Mend the roof"}
    assert str(notes) not in cli.ok("sources", "list", workspace, "--json")


def test_one_source_that_fails_keeps_no_other_from_its_sync(embedded: Cli, notes: Path) -> None:
    cli = embedded
    workspace = cli.json("workspaces", "create", "garden")["id"]
    cli.ok("sources", "create", workspace, "people")
    good, bad = source(cli, workspace, "NOTES"), source(cli, workspace, "ELSEWHERE")
    found = cli("sources", "sync", "--workspace", workspace, NOTES=str(notes))
    assert (found.returncode, f"{good} notes: 1 created" in found.stdout) == (1, True)
    assert found.stderr == (
        f"buildd: error: {bad}: config.directory: set ELSEWHERE in the environment\n"
    )


def test_what_cannot_be_synced_says_why_in_one_line(here: Here) -> None:
    workspace = os.environ["BUILDD_WORKSPACE"]
    manual = here.json("sources", "create", workspace, "people")["id"]
    code, _, err = here("sources", "sync", manual)
    assert code == 1
    assert err == (
        f"buildd: error: {manual}: people put in the tasks of a manual source: "
        "there is nothing to sync\n"
    )
    assert here.error(3, "sources", "sync", "src_none") == "there is no such source"
    assert here.json("sources", "sync") == []
    assert here.json("sources", "update", manual, "--name", "us")["name"] == "us"
    assert [each["id"] for each in here.json("sources", "list", workspace)] == [manual]
    assert here.ok("sources", "delete", manual, "--yes") == f"deleted {manual}\n"


def test_the_webhooks_secret_is_shown_and_exchanged(here: Here) -> None:
    workspace, config = os.environ["BUILDD_WORKSPACE"], '{"repository": "acme/shop"}'
    made = here.json(
        "sources", "create", workspace, "issues", "--type", "github", "--config", config
    )
    first = here.json("sources", "secret", made["id"])
    assert first["payloadPath"] == f"/api/webhooks/github/{made['id']}"
    second = here.json("sources", "secret", made["id"], "--rotate")
    assert (second["rotating"], len({first["secret"], second["secret"]})) == (True, 2)
    assert not here.json("sources", "secret", made["id"], "--end-rotation")["rotating"]
    code, out, err = here("sources", "secret", made["id"])
    assert (code, second["secret"] in out) == (0, True)
    assert "application/json" in err
    assert "BUILDD_PUBLIC_URL" in err


def test_a_strangers_task_is_approved(here: Here) -> None:
    task = here.json("tasks", "create", "Fix it")["id"]
    assert here.error(2, "tasks", "approve", task) == "add --yes to approve it without being asked"
    assert here.ok("tasks", "approve", task, "--yes") == f"approved {task}\n"
