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
from tests.deploy.processes import Agents, Crew, Server, crew
from tests.patience import until

pytestmark = pytest.mark.skipif("BUILDD_LONG" not in os.environ, reason="make chaos")

MOST = 150
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


def test_work_goes_on_from_a_backup_taken_under_load(database_url: str, tmp_path: Path) -> None:
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
        left = {task for task, status in known.items() if status is not TaskStatus.COMPLETED}
        with Agents([server.url], team.key) as others:
            until(lambda: {*others.completed} >= left)
        assert tasks(bd) == dict.fromkeys(known, TaskStatus.COMPLETED)
        assert server.stop() == 0
    assert audit(restored, new / "blobs") == []
