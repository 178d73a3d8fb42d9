"""The example of a stranger's runner is installed as a package, found by buildd, and passes its own tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_runner"
SOURCE = str(Path(__file__).parents[2] / "src")


def run(*arguments: str, at: Path, path: Path) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    found = os.pathsep.join([str(path), SOURCE])
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=at,
        env={**kept, "LANG": "C.UTF-8", "PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed: built from a copy, without the network."""
    place = tmp_path_factory.mktemp("custom_runner")
    for name in ("pyproject.toml", "buildd_tmux.py"):
        shutil.copy(EXAMPLE / name, place)
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    run("pip", "install", *flags, "--target", "site", ".", at=place, path=place)
    return place / "site"


def test_it_is_installed_and_found(site: Path, tmp_path: Path) -> None:
    listed = json.loads(run("buildd", "plugins", "list", "--json", at=tmp_path, path=site))
    [found] = [each for each in listed if each["distribution"] == "buildd-tmux"]
    assert (found["kind"], found["name"], found["problem"]) == ("runner", "tmux", None)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "test_buildd_tmux.py", tmp_path)
    said = run("pytest", "-W", "error", "-p", "no:cacheprovider", at=tmp_path, path=site)
    assert " passed" in said
    assert "failed" not in said
