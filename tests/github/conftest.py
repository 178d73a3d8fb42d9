"""A GitHub on loopback with one real bare repository, `acme/shop`, and a branch `work` in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildd_runners.github.pulls import GitHubForge
from tests.agent.office import git
from tests.github.far_end import TOKEN, GitHub


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """The bare repository."""
    bare, person = tmp_path / "remotes" / "acme" / "shop.git", tmp_path / "person"
    bare.mkdir(parents=True)
    git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
    git(tmp_path, "clone", "--quiet", str(bare), str(person))
    git(person, "commit", "--quiet", "--allow-empty", "--message=first")
    git(person, "push", "--quiet", "origin", "HEAD:main")
    git(person, "commit", "--quiet", "--allow-empty", "--message=second")
    git(person, "push", "--quiet", "origin", "HEAD:work")
    shutil.rmtree(person)
    return bare


@pytest.fixture
def github(remote: Path) -> Iterator[GitHub]:
    """What plays GitHub."""
    with GitHub(remote.parents[1]) as far_end:
        yield far_end


@pytest.fixture
def forge(github: GitHub) -> GitHubForge:
    """The forge with a token."""
    return GitHubForge.from_config({"token": TOKEN, "api": github.api})
