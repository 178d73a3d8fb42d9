"""A task is made at a real server; where its pool starts agents, a real one is started and does it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from buildd.states import TaskStatus
from tests.dispatch.installation import open_installation
from tests.dispatch.places import PLACES
from tests.patience import until


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


def test_an_idle_agent_is_ready_and_another_one_takes_its_place(tmp_path: Path) -> None:
    with open_installation(tmp_path / "buildd") as made:
        workspace_id = made.pool("local", {}, minimum=1, maximum=2)
        until(lambda: "ready, as" in made.said())
        task = made.bd.tasks.create(workspace_id=workspace_id, title="work")
        until(lambda: made.bd.tasks.get(id=task.id).status is TaskStatus.COMPLETED)
        [worker] = made.bd.workers.list(task_id=task.id)

        def another() -> bool:
            *new, first = made.bd.launches.list()
            # On a slow machine the first is not at work before another one is wanted for its task.
            return first.status == "ended" and "running" in {each.status for each in new}

        until(another)
        first = made.bd.launches.list()[-1]
        assert (first.task_id, first.worker_id) == (None, worker.id)
        [pool] = made.bd.pools.list()
        made.bd.pools.update(id=pool.id, enabled=False)
        made.quiet()
        until(lambda: not made.agents())


@pytest.mark.timeout(300)  # a turn that dies with the server is nobody else's for two minutes
def test_an_agent_with_its_secrets_outlives_its_server_and_is_known_to_the_next_one(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    with open_installation(tmp_path / "buildd", MODEL_KEY="sk-1") as made:
        command = f'until [ -e {gate} ]; do sleep 0.05; done; [ "$MODEL_KEY" = sk-1 ]'
        flags = (f"--command={command}", "--pass-env=MODEL_KEY")
        workspace_id = made.pool("local", {}, *flags, pass_env=["MODEL_KEY"])
        task = made.bd.tasks.create(workspace_id=workspace_id, title="work")
        until(lambda: made.bd.tasks.get(id=task.id).status is TaskStatus.RUNNING)
        [agent] = made.agents()
        made.end(signal.SIGKILL)
        made.start()
        gate.touch()
        until(lambda: made.bd.tasks.get(id=task.id).status is TaskStatus.COMPLETED)
        [launch] = made.quiet()
        [worker] = made.bd.workers.list(task_id=task.id)
        assert (launch.worker_id, launch.status) == (worker.id, "ended")
        agent.wait(30)
