"""However an attempt is interrupted: no process is left, no commit is lost, nothing stale is taken.

Each story is told with real processes: a server, agents, and what they start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from buildd.agent.process import MARK
from buildd.models import Task, Worker
from buildd.states import ENDED, TaskStatus, WorkerStatus
from tests.agent.office import Office, OfficeMaker, git
from tests.agent.test_agent_process import Agents, begun, serving
from tests.patience import until

ROOT = Path(__file__).parents[2]
HALF_THEN_WAIT = (
    'echo half > half.txt; touch begun; setsid sleep 600 & until test -e "$GATE"; do sleep 0.05;'
    " done; echo whole > whole.txt"
)


@dataclass
class Scene:
    """One task, and the agents that work on it."""

    office: Office
    agents: Agents
    task: Task
    remote: Path
    gate: Path
    port: int
    open: ExitStack

    def start(self, **flags: str) -> subprocess.Popen[str]:
        """An agent that does half of the work, and the rest once the gate opens."""
        given = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        return self.agents.start(HALF_THEN_WAIT, "--pass-env=GATE", *given, GATE=str(self.gate))

    def handler(self, name: str) -> subprocess.Popen[str]:
        """An agent of one function."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("BUILDD")}
        settings = {"BUILDD_SERVER": self.agents.address, "BUILDD_API_KEY": self.office.key}
        agent = subprocess.Popen(
            [sys.executable, "-m", "tests.agent.handlers", name, str(self.office.state)],
            cwd=ROOT,
            env={**inherited, **settings},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.agents.running.append(agent)
        return agent

    def begun(self) -> Worker:
        """The attempt, once it is at work."""
        until(lambda: begun(self.office) and self.worker.status is WorkerStatus.RUNNING)
        return self.worker

    def asked(self) -> Worker:
        """The attempt, once it waits for a person."""
        waiting = WorkerStatus.WAITING_INPUT
        found: list[Worker] = []
        while not found:
            found = self.office.owner.workers.list(task_id=self.task.id, status=waiting)
            time.sleep(0.05)
        assert found[0].waiting_for is not None
        assert found[0].waiting_for.prompt == "Which one?"
        return found[0]

    @property
    def worker(self) -> Worker:
        """The last attempt."""
        return self.office.worker(self.task)

    def finish(self) -> Worker:
        """Let the work be done, by whoever has it."""
        self.gate.touch()
        until(lambda: self.office.read(self.task).status is TaskStatus.COMPLETED)
        return self.worker

    def stop_server(self) -> None:
        """Take the server away."""
        self.open.close()

    def start_server(self) -> None:
        """Have one again, at the same address."""
        self.open.enter_context(serving(self.office.broker, self.port))

    def pushed(self, worker: Worker, file: str) -> str:
        """A file on an attempt's branch at the remote."""
        return git(self.remote, "show", f"{worker.branch}:{file}")

    def here(self, worker: Worker, file: str) -> str:
        """A file on an attempt's branch in the clone on this machine."""
        [clone] = (self.office.state / "repositories").glob("*.git")
        return git(clone, "show", f"{worker.branch}:{file}")

    def check(self) -> None:
        """No process is left, and no word of an attempt was taken after its end."""
        workers = self.office.owner.workers.list(task_id=self.task.id)
        until(lambda: not _at_work({worker.id for worker in workers}))
        for worker in workers:
            if worker.status not in ENDED or worker.completed_at is None:
                continue
            listed = self.office.owner.messages.list(worker_id=worker.id, limit=200)
            shown = self.office.owner.artifacts.list(worker_id=worker.id)
            told = [each.created_at for each in listed] + [each.created_at for each in shown]
            assert all(at <= worker.completed_at for at in told)
        assert sum(each.status is WorkerStatus.COMPLETED for each in workers) <= 1


def _at_work(workers: set[str]) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) in workers:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@contextmanager
def _scene(office: Office, remote: Path, tmp_path: Path, **fields: object) -> Iterator[Scene]:
    with ExitStack() as server:
        port = server.enter_context(serving(office.broker))
        with Agents(office, f"http://127.0.0.1:{port}", tmp_path) as agents:
            gate = tmp_path / "gate"
            yield Scene(office, agents, office.task(**fields), remote, gate, port, server)


@pytest.fixture
def office(open_office: OfficeMaker, remote: Path) -> Office:
    return open_office(ttl=2.0, repo=str(remote))


@pytest.fixture
def scene(office: Office, remote: Path, tmp_path: Path) -> Iterator[Scene]:
    with _scene(office, remote, tmp_path) as made:
        yield made


def test_pause_and_resume(scene: Scene) -> None:
    scene.start()
    worker = scene.begun()
    scene.office.owner.workers.pause(id=worker.id)
    until(lambda: scene.worker.status is WorkerStatus.PAUSED)
    scene.check()
    assert scene.pushed(worker, "half.txt") == "half"
    assert (scene.office.state / "worktrees" / worker.id / "half.txt").exists()
    scene.office.owner.workers.start(id=worker.id)
    assert scene.finish().id == worker.id
    assert scene.pushed(worker, "whole.txt") == "whole"
    scene.check()


def test_a_server_restart(scene: Scene) -> None:
    scene.start()
    worker = scene.begun()
    scene.stop_server()
    scene.gate.touch()
    until(lambda: any((scene.office.state / "outbox").glob("*.json")))
    scene.start_server()
    assert scene.finish().id == worker.id
    assert scene.office.read(scene.task).attempt == 1
    assert scene.pushed(worker, "whole.txt") == "whole"
    scene.check()


def test_a_killed_agent(scene: Scene) -> None:
    first = scene.start()
    lost = scene.begun()
    first.send_signal(signal.SIGKILL)
    scene.agents.end(first)
    scene.start()
    last = scene.finish()
    assert last.id != lost.id
    assert scene.here(lost, "half.txt") == "half", "nobody had committed it"
    assert scene.pushed(last, "half.txt") == "half"
    assert git(scene.remote, "branch", "--list", lost.branch) == ""
    for kept in ("worktrees", "scratch", "sessions"):
        assert not (scene.office.state / kept / lost.id).exists()
    scene.check()


def test_an_agent_that_sleeps_longer_than_its_lease(scene: Scene) -> None:
    first = scene.start()
    lost = scene.begun()
    first.send_signal(signal.SIGSTOP)
    until(lambda: scene.worker.status in ENDED)
    scene.gate.touch()
    scene.office.account.workers.claim(task_id=scene.task.id)
    first.send_signal(signal.SIGCONT)
    first.terminate()
    code, told = scene.agents.end(first)
    assert (code, "given up (lease_lost)" in told) == (0, True)
    assert git(scene.remote, "branch", "--list", lost.branch) == "", "nothing stale is pushed"
    assert scene.here(lost, "half.txt") == "half", "and nothing is lost"
    assert scene.office.owner.artifacts.list(worker_id=lost.id) == []
    scene.check()


@pytest.mark.parametrize("signals", [1, 2])
def test_a_drain(scene: Scene, signals: int) -> None:
    agent = scene.start(drain_timeout={1: "0", 2: "600"}[signals])
    worker = scene.begun()
    # Two of one kind at once would be one.
    for kind in (signal.SIGTERM, signal.SIGINT)[:signals]:
        agent.send_signal(kind)
    code, told = scene.agents.end(agent)
    assert (code, "handed back" in told) == (0, True)
    assert scene.pushed(worker, "half.txt") == "half"
    back = scene.office.read(scene.task)
    assert (back.status, back.attempt) == (TaskStatus.PENDING, 0)
    scene.check()


def test_a_cancelled_task(scene: Scene) -> None:
    scene.start()
    worker = scene.begun()
    scene.office.owner.tasks.cancel(id=scene.task.id)
    scene.check()
    until(lambda: not (scene.office.state / "worktrees" / worker.id).exists())
    assert scene.here(worker, "half.txt") == "half"
    assert git(scene.remote, "branch", "--list", worker.branch) == ""


def test_a_budget_that_is_used_up(office: Office, remote: Path, tmp_path: Path) -> None:
    with _scene(office, remote, tmp_path, max_cost=3) as scene:
        scene.handler("spend")
        worker = scene.begun()
        until(lambda: office.read(scene.task).status is TaskStatus.FAILED)
        ended = scene.worker
        assert (ended.error_code, ended.cost_usd >= 3) == ("budget_exhausted", True)
        assert scene.pushed(worker, "half.txt") == "half"
        scene.check()


def test_a_question_outlives_the_server_and_its_answer_the_agent(scene: Scene) -> None:
    first = scene.handler("ask")
    asked = scene.asked()
    scene.stop_server()
    scene.start_server()
    scene.office.owner.workers.answer(id=asked.id, content="the red one")
    until(lambda: scene.office.read(scene.task).status is TaskStatus.COMPLETED)
    result = scene.office.read(scene.task).result
    assert result is not None
    assert result["answer"] == "the red one"
    assert scene.worker.id == asked.id
    first.terminate()
    scene.check()


def test_an_agent_that_is_drained_while_it_waits_lets_the_next_one_ask_again(scene: Scene) -> None:
    first = scene.handler("ask")
    asked = scene.asked()
    first.terminate()
    scene.agents.end(first)
    assert scene.office.read(scene.task).attempt == 0
    scene.handler("ask")
    again = scene.asked()
    assert again.id != asked.id
    scene.office.owner.workers.answer(id=again.id, content="the red one")
    until(lambda: scene.office.read(scene.task).status is TaskStatus.COMPLETED)
    scene.check()


def test_an_answer_outlives_the_agent_that_was_killed_after_it(scene: Scene) -> None:
    first = scene.handler("ask")
    asked = scene.asked()
    scene.office.owner.workers.answer(id=asked.id, content="wait")
    until(lambda: any((scene.office.state / "worktrees").glob("*/waiting")))
    first.send_signal(signal.SIGKILL)
    scene.agents.end(first)
    scene.handler("ask")
    until(lambda: scene.office.read(scene.task).status is TaskStatus.COMPLETED)
    result = scene.office.read(scene.task).result
    assert result is not None
    assert result["answer"] == "wait, said before"
    scene.check()
