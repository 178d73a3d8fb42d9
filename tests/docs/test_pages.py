"""What the pages tell people to type is typed here, word for word."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
LOCAL = re.compile(r"http://(?:localhost|127\.0\.0\.1):3000")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An empty home, and the commands of this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}


@pytest.fixture
def server(tmp_path: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of a server with an empty database, as `buildd server` starts it."""
    process = subprocess.Popen(
        ["buildd", "server", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield next(word for word in process.stdout.readline().split() if "://" in word)
        process.terminate()


def run(command: list[str], text: str, where: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        input=text,
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=named)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    script = "\n".join(blocks(page, "python"))
    if LOCAL.search(script):
        script = LOCAL.sub(request.getfixturevalue("server"), script)
    run([sys.executable, "-"], script, tmp_path, environment)


def test_the_tutorial_ends_with_a_commit_on_a_branch(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    script = "\n".join(blocks(ROOT / "docs/tutorials/first-task.md", "bash"))
    said = run(["bash", "-euo", "pipefail"], script, tmp_path, environment)
    assert "completed" in said
    log = subprocess.run(
        ["git", "-C", tmp_path / "garden", "log", "--all", "--format=%D %s"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert re.search(r"^buildd/task_\w+-plant-a-tree-1 Plant a tree$", log, re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page uses curl")
def test_the_curl_lines_run_as_they_stand(
    tmp_path: Path, environment: dict[str, str], server: str
) -> None:
    ids: dict[str, str] = {}

    def typed(block: str) -> dict[str, object]:
        for example, ours in ids.items():
            block = block.replace(example, ours)
        # The answers follow each other without a line break.
        said = run(["bash", "-euo", "pipefail"], LOCAL.sub(server, block), tmp_path, environment)
        answer: dict[str, object] = json.JSONDecoder().raw_decode(said)[0]
        return answer

    account, workspace, grant, task = blocks(ROOT / "docs/how-to/run-a-server.md", "bash")
    made = typed(account)
    assert str(made["apiKey"]).startswith("buildd_")
    assert (made["maxConcurrentWorkers"], made["maxCostPerDay"]) == (3, 50)
    ids["acc-123"] = str(made["id"])
    ids["ws-456"] = str(typed(workspace)["id"])
    assert typed(grant)["canClaim"] is True
    assert typed(task)["status"] == "pending"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target
