"""A backup beside a server and agents at work, restored elsewhere: nothing differs, and work goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import buildd
from buildd.states import TaskStatus
from buildd.store import audit, backup, restore
from tests.deploy.processes import Agents, Crew, Server, crew, until

LONG = "BUILDD_LONG" in os.environ
MOST = 150 if LONG else 30
"""Tasks that are created while the backup is taken."""


def tasks(bd: buildd.Client) -> dict[str, TaskStatus]:
    """Every task, by its id."""
    return {task.id: task.status for task in bd.tasks.list(limit=200)}


@contextmanager
def creating(server: Server, team: Crew) -> Iterator[None]:
    """More work all the time, until the block ends."""
    ended = threading.Event()

    def run() -> None:
        with server.owner() as bd:
            for _ in range(MOST):
                bd.tasks.create(workspace_id=team.workspace, title="Water the beans")
                if ended.wait(0.03):
                    return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    "database",
    [
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.skipif(not LONG, reason="BUILDD_LONG=1")),
    ],
)
def test_work_goes_on_from_a_backup_taken_under_load(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database_url: str = request.getfixturevalue(f"{database}_url")
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    file = tmp_path / "buildd.backup"
    with Server(database_url, old) as server, server.owner() as bd:
        team = crew(bd)
        with Agents([server.url], team.key) as agents, creating(server, team):
            until(lambda: len(agents.completed) >= 5)
            assert backup(database_url, file, old / "blobs").files >= 5
            before = len(agents.completed)
            until(lambda: len(agents.completed) >= before + 5)
        assert server.stop() == 0
    restored = f"sqlite:///{new}/buildd.db"
    assert restore(restored, file, new / "blobs").differences == []
    # A lease lives for a second here, and whoever held one has gone.
    with Server(restored, new, {"BUILDD_LEASE_TTL": "1"}) as server, server.owner() as bd:
        known = tasks(bd)
        assert len(known.keys() & {*agents.completed}) >= 5
        with Agents([server.url], team.key):
            until(lambda: {*tasks(bd).values()} == {TaskStatus.COMPLETED})
        assert tasks(bd).keys() == known.keys()
        assert server.stop() == 0
    assert audit(restored, new / "blobs") == []
