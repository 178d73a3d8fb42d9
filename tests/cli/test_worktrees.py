"""`buildd worktrees` as people use it, on a real server, a real repository and real worktrees."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli


def git(at: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a person", "-c", "user.email=person@example.com")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=at, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def state(remote: Cli) -> Path:
    """Where two attempts that have ended left a worktree: the first is clean, the second not."""
    shop = remote.directory / "shop"
    shop.mkdir()
    git(shop, "init", "--quiet")
    git(shop, "commit", "--quiet", "--allow-empty", "--message=first")
    workspace = remote.json("workspaces", "create", "shop", f"--local-path={shop}")["id"]
    account = remote.json("accounts", "create", "laptop")
    remote.ok("accounts", "grant", account["id"], workspace)
    for name in ("clean", "dirty"):
        tree = attempt(remote, workspace, account, shop)
        if name == "dirty":
            (tree / "work.txt").write_text("work\n")
    return remote.directory / "state"


def attempt(remote: Cli, workspace: str, account: dict[str, Any], shop: Path) -> Path:
    import buildd

    remote.ok("tasks", "create", "--workspace", workspace, "Fix \x1b[31mit")
    with buildd.connect(remote.environ["BUILDD_SERVER"], api_key=account["apiKey"]) as bd:
        worker = bd.workers.claim(max_tasks=1).workers[0].worker
    remote.ok("workers", "cancel", worker.id)
    tree = remote.directory / "state" / "worktrees" / worker.id
    git(shop, "worktree", "add", "--quiet", "-b", worker.branch, str(tree))
    return tree


def left(state: Path) -> list[str]:
    return sorted(path.name for path in (state / "worktrees").iterdir())


def test_the_clean_go_and_the_others_say_why_not(remote: Cli, state: Path) -> None:
    flag = f"--state-dir={state}"
    clean, dirty = left(state)
    listed = remote.json("worktrees", "list", flag)
    assert {each["workerId"]: each["state"] for each in listed} == {clean: "clean", dirty: "dirty"}
    table = remote.ok("worktrees", "list", flag)
    assert "1 file is not committed" in table
    assert "\x1b" not in table

    tried = remote.ok("worktrees", "prune", "--dry-run", flag)
    assert f"would remove worktree {state / 'worktrees' / clean}" in tried
    assert (state / "worktrees" / clean).exists()

    done = remote("worktrees", "prune", flag)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"removed worktree {state / 'worktrees' / clean}",
        f"kept worktree {state / 'worktrees' / dirty}: 1 file is not committed",
    ]
    assert done.stderr.startswith("1 removed (")
    assert done.stderr.endswith("), 1 kept\n")
    assert left(state) == [dirty]
    assert [each["state"] for each in remote.json("worktrees", "prune", flag)] == ["dirty"]


def test_without_the_server_nothing_goes(remote: Cli, state: Path) -> None:
    away = {"BUILDD_SERVER": "http://127.0.0.1:9"}
    flag = f"--state-dir={state}"
    listed = remote("worktrees", "list", flag, **away)
    assert listed.returncode == 0
    assert listed.stderr.startswith("The server cannot tell which attempts have ended: ")
    pruned = remote("worktrees", "prune", flag, **away)
    assert pruned.returncode == 5
    assert "kept worktree" in pruned.stdout
    assert "removed" not in pruned.stdout
    assert len(left(state)) == 2


def test_a_key_that_is_none_removes_nothing(remote: Cli, state: Path) -> None:
    done = remote("worktrees", "prune", f"--state-dir={state}", BUILDD_API_KEY="nobody")
    assert done.returncode == 4
    assert len(left(state)) == 2


def test_an_empty_machine_has_nothing(embedded: Cli) -> None:
    assert embedded.json("worktrees", "list") == []
    done = embedded("worktrees", "prune")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("Nothing is left under ")
