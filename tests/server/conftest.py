"""Servers for tests: one that a module shares, and others on request."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.server.serving import ADMIN_KEY, Cast, Running, made, running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Running]:
    """A server that asks everybody for a key; shared by a module's tests."""
    path = tmp_path_factory.mktemp("served") / "buildd.db"
    shutil.copy(sqlite_template, path)
    with running(f"sqlite:///{path}") as server:
        yield server


@pytest.fixture(scope="module")
def admin(served: Running) -> Iterator[httpx2.Client]:
    """The administrator."""
    # A key goes over the wire as UTF-8, so any text may be one.
    with served.client(ADMIN_KEY) as client:
        yield client


@pytest.fixture
def start(tmp_path: Path, sqlite_template: Path) -> Iterator[Callable[..., Running]]:
    """Starts further servers, for tests that need one of their own."""
    with ExitStack() as held:

        def make(admin_key: str | None = ADMIN_KEY, name: str = "own.db") -> Running:
            path = tmp_path / name
            if not path.exists():
                shutil.copy(sqlite_template, path)
            return held.enter_context(running(f"sqlite:///{path}", admin_key))

        yield make


@pytest.fixture
def cast(admin: httpx2.Client) -> Cast:
    """An account that may claim in a workspace with one task."""
    workspace = made(admin, "/api/workspaces", name="shop")
    account = made(admin, "/api/accounts", type="user", name="Max")
    made(admin, f"/api/accounts/{account['id']}/workspaces", workspaceId=workspace["id"])
    task = made(admin, "/api/tasks", workspaceId=workspace["id"], title="Fix it")
    return Cast(workspace["id"], account["id"], account["apiKey"], task["id"])
