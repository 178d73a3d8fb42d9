"""The examples of strangers' plugins are installed as packages, found by buildd, and pass their own tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = str(Path(__file__).parents[2] / "src")


class Example(NamedTuple):
    folder: str
    module: str
    offers: tuple[str, str]
    needs: str | None = None
    """A program that its tests run."""


PLUGINS = [
    Example("custom_runner", "buildd_tmux", ("runner", "tmux"), "tmux"),
    Example("custom_source", "buildd_notes", ("source", "notes")),
]


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


@pytest.fixture(scope="module", params=PLUGINS, ids=lambda each: each.folder)
def example(request: pytest.FixtureRequest) -> Example:
    plugin: Example = request.param
    return plugin


@pytest.fixture(scope="module")
def site(example: Example, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed: built from a copy, without the network."""
    place = tmp_path_factory.mktemp(example.folder)
    for name in ("pyproject.toml", f"{example.module}.py"):
        shutil.copy(EXAMPLES / example.folder / name, place)
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    run("pip", "install", *flags, "--target", "site", ".", at=place, path=place)
    return place / "site"


def test_it_is_installed_and_found(example: Example, site: Path, tmp_path: Path) -> None:
    listed = json.loads(run("buildd", "plugins", "list", "--json", at=tmp_path, path=site))
    package = example.module.replace("_", "-")
    [found] = [each for each in listed if each["distribution"] == package]
    assert ((found["kind"], found["name"]), found["problem"]) == (example.offers, None)


def test_its_own_tests_pass(example: Example, site: Path, tmp_path: Path) -> None:
    if example.needs and shutil.which(example.needs) is None:
        pytest.skip(f"{example.needs} is not installed")
    shutil.copy(EXAMPLES / example.folder / f"test_{example.module}.py", tmp_path)
    said = run("pytest", "-W", "error", "-p", "no:cacheprovider", at=tmp_path, path=site)
    assert " passed" in said
    assert "failed" not in said
