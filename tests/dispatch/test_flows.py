"""A task is made at a real server; where its pool starts agents, a real one is started and does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildd.states import TaskStatus
from tests.dispatch.installation import until
from tests.dispatch.places import PLACES


@pytest.mark.parametrize("name", PLACES)
def test_a_task_is_done_where_its_pool_starts_agents(name: str, tmp_path: Path) -> None:
    with PLACES[name](tmp_path / "buildd") as (made, workspace_id):
        task = made.bd.tasks.create(workspace_id=workspace_id, title="work")
        until(lambda: made.bd.tasks.get(id=task.id).status is TaskStatus.COMPLETED)
        [launch] = made.quiet()
        [worker] = made.bd.workers.list(task_id=task.id)
        assert (launch.task_id, launch.worker_id) == (task.id, worker.id)
        [pool] = made.bd.pools.list()
        assert (pool.failures, pool.last_error) == (0, None)
        assert made.bd.pools.reap(id=pool.id, dry_run=True) == []
        assert made.bd.pools.check(id=pool.id).passed
        told = [line for line in made.log.read_text().splitlines() if launch.id in line]
    assert [word in line for word, line in zip(("wanted", "started"), told, strict=False)] == [
        True,
        True,
    ]
    assert "buildd_acquire_" not in "".join(told)
