from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import anyio
import anyio.to_thread
import psutil
import pytest

from buildd.broker import Broker
from buildd.roles import LaunchOrder, LaunchState, Observation
from buildd.states import TaskStatus, WorkerStatus
from buildd_runners.local import _PASSED, LocalRunner
from buildd_server.app import create_app
from buildd_server.listening import listen
from buildd_server.serving import Server
from buildd_server.settings import Settings
from tests.agent.office import Office, OfficeMaker, git
from tests.patience import PATIENCE, until

ANY_KEY = {"ANTHROPIC_API_KEY": "sk-ant-any"}
WAIT_FOR_A_FILE = 'touch begun; until test -e "$GATE"; do sleep 0.05; done; echo work > work.txt'


@contextmanager
def serving(broker: Broker, port: int = 0) -> Iterator[int]:
    """A real server of the broker on loopback; gives its port."""
    [listener] = listen("127.0.0.1", port)
    with listener:
        server = Server(create_app(broker, Settings()))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@dataclass
class Agents:
    """Starts real `buildd-agent` processes."""

    office: Office
    address: str
    cwd: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, command: str, *flags: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD", "GITHUB"))}
        settings = {"BUILDD_SERVER": self.address, "BUILDD_API_KEY": self.office.key}
        argv = [sys.executable, "-m", "buildd.cli.agent", f"--state-dir={self.office.state}"]
        agent = subprocess.Popen(
            [*argv, "--executor=command", f"--command={command}", *flags],
            cwd=self.cwd,
            env={**inherited, **settings, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(agent)
        return agent

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for agent in self.running:
            agent.kill()
            agent.communicate()

    def end(self, agent: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for an agent: its exit code and what it told."""
        _, told = agent.communicate(timeout=PATIENCE)
        return agent.returncode, told


@pytest.fixture
def agents(office: Office, tmp_path: Path) -> Iterator[Agents]:
    with (
        serving(office.broker) as port,
        Agents(office, f"http://127.0.0.1:{port}", tmp_path) as made,
    ):
        yield made


def begun(office: Office) -> bool:
    return any((office.state / "worktrees").glob("*/begun"))


def test_it_works_until_it_is_asked_to_end(agents: Agents) -> None:
    office = agents.office
    agent = agents.start("echo hello > hello.txt", "--workspace", office.workspace_id)
    tasks = [office.task(f"task {number}") for number in range(4)]
    until(lambda: all(office.read(task).status is TaskStatus.COMPLETED for task in tasks))
    agent.terminate()
    code, told = agents.end(agent)
    assert code == 0
    assert told.count(" completed after ") == 4
    assert office.key not in told


def test_the_settings_may_stand_in_dotenv(agents: Agents) -> None:
    office = agents.office
    task = office.task()
    (agents.cwd / ".env").write_text(
        f"BUILDD_SERVER={agents.address}\nBUILDD_API_KEY={office.key}\n"
    )
    agent = agents.start("true", BUILDD_SERVER="", BUILDD_API_KEY="")
    until(lambda: office.read(task).status is TaskStatus.COMPLETED)
    agent.terminate()
    assert agents.end(agent)[0] == 0


def test_a_drain_lets_what_runs_finish(agents: Agents, tmp_path: Path) -> None:
    office, gate = agents.office, tmp_path / "gate"
    task, later = office.task(), office.task("later", priority=-1)
    flags = ("--max-tasks=1", "--drain-timeout=60", "--pass-env=GATE")
    agent = agents.start(WAIT_FOR_A_FILE, *flags, GATE=str(gate))
    until(lambda: begun(office))
    agent.terminate()
    gate.touch()
    assert agents.end(agent)[0] == 0
    assert office.read(task).status is TaskStatus.COMPLETED
    assert office.read(later).status is TaskStatus.PENDING


@pytest.mark.parametrize("signals", [1, 2])
def test_a_drain_hands_back_with_the_work_kept_and_the_attempt_refunded(
    agents: Agents, repository: Path, signals: int
) -> None:
    office = agents.office
    task = office.task()
    timeout = {1: "--drain-timeout=0", 2: "--drain-timeout=600"}[signals]
    agent = agents.start("echo half > half.txt; touch begun; sleep 600", timeout)
    until(lambda: begun(office))
    for _ in range(signals):
        agent.terminate()
        time.sleep(0.1)  # two signals of one kind at once would be one
    code, told = agents.end(agent)
    assert (code, "handed back" in told) == (0, True)
    back, worker = office.read(task), office.worker(task)
    assert (back.status, back.attempt) == (TaskStatus.PENDING, 0)
    assert (worker.status, worker.error_code) == (WorkerStatus.ERROR, "released")
    assert git(repository, "show", f"{worker.branch}:half.txt") == "half"


def test_a_cancelled_task_leaves_no_process(agents: Agents) -> None:
    office = agents.office
    task = office.task()
    daemon = "setsid sh -c 'trap \"\" TERM; (sleep 600 & echo $! > begun; wait) &' & sleep 600"
    agents.start(daemon)
    until(lambda: begun(office))
    [written] = (office.state / "worktrees").glob("*/begun")
    until(lambda: written.read_text().strip())
    child = psutil.Process(int(written.read_text()))
    office.owner.tasks.cancel(id=task.id)
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert office.worker(task).error_code == "cancelled"


def test_a_server_that_goes_away_and_comes_back_is_waited_for(
    office: Office, repository: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    task = office.task()
    with ExitStack() as stack:
        with serving(office.broker) as port:
            agents = stack.enter_context(Agents(office, f"http://127.0.0.1:{port}", tmp_path))
            agent = agents.start(WAIT_FOR_A_FILE, "--pass-env=GATE", GATE=str(gate))
            until(lambda: begun(office))
        gate.touch()
        until(lambda: "work.txt" in git(repository, "log", "--all", "--name-only"))
        stack.enter_context(serving(office.broker, port))
        until(lambda: office.read(task).status is TaskStatus.COMPLETED)
        later = office.task("later")
        until(lambda: office.read(later).status is TaskStatus.COMPLETED)
        agent.terminate()
        assert agents.end(agent)[0] == 0


def test_a_killed_agent_s_task_is_finished_by_another(
    open_office: OfficeMaker, repository: Path, tmp_path: Path
) -> None:
    office = open_office(ttl=2.0, local_path=str(repository))
    task = office.task()
    with (
        serving(office.broker) as port,
        Agents(office, f"http://127.0.0.1:{port}", tmp_path) as agents,
    ):
        first = agents.start("echo $$ > begun; exec sleep 600")
        until(lambda: begun(office))
        first.send_signal(signal.SIGKILL)
        agents.end(first)
        second = agents.start("echo done > done.txt")
        until(lambda: office.read(task).status is TaskStatus.COMPLETED)
        second.terminate()
        assert agents.end(second)[0] == 0
    assert office.read(task).attempt == 2
    assert git(repository, "show", f"{office.worker(task).branch}:done.txt") == "done"


@pytest.mark.parametrize(
    ("leaves", "kept"),
    [
        ("", False),
        ("echo half > half.txt;", False),
        ("git checkout -q --detach; echo half > half.txt;", False),
        ("git checkout -q --orphan other; echo half > half.txt; git commit -qm other;", True),
    ],
)
def test_what_a_killed_agent_left_is_committed_and_swept_unless_it_would_be_lost(
    agents: Agents, repository: Path, leaves: str, kept: bool
) -> None:
    office = agents.office
    task = office.task()
    person = {
        f"GIT_{who}_{key}": "x" for who in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    flags = [f"--pass-env={name}" for name in person]
    first = agents.start(f"{leaves} echo begun >&2; exec sleep 600", *flags, **person)
    until(lambda: office.owner.workers.list(task_id=task.id))
    worker = office.worker(task)
    until(lambda: "begun" in office.said(worker))
    first.send_signal(signal.SIGKILL)
    agents.end(first)
    tree, scratch = (office.state / name / worker.id for name in ("worktrees", "scratch"))
    assert (scratch / "task.md").exists()
    code, told = agents.end(agents.start("true", GITHUB_ACTIONS="true"))
    assert code == 0
    assert not scratch.exists()
    assert tree.exists() is kept
    assert (f"kept {tree}" in told) is kept
    if "half" in leaves and not kept:
        assert git(repository, "show", f"{worker.branch}:half.txt") == "half"


def test_what_a_living_agent_works_with_is_not_swept(agents: Agents, tmp_path: Path) -> None:
    office, gate = agents.office, tmp_path / "gate"
    task = office.task()
    first = agents.start(
        "cat > /dev/null; until test -e $GATE; do sleep 0.05; done; cat $BUILDD_TASK_FILE",
        "--pass-env=GATE",
        GATE=str(gate),
    )
    until(lambda: any((office.state / "worktrees").glob("*/.git")))
    assert agents.end(agents.start("true", GITHUB_ACTIONS="true"))[0] == 0
    gate.touch()
    until(lambda: office.read(task).status is TaskStatus.COMPLETED)
    first.terminate()
    assert agents.end(first)[0] == 0
    assert "Fix the login test" in office.said(office.worker(task))


@pytest.mark.parametrize("place", ["client_payload", "inputs"])
def test_in_github_actions_it_takes_the_dispatched_task_first_and_ends(
    agents: Agents, tmp_path: Path, place: str
) -> None:
    office = agents.office
    other, wanted = office.task("other", priority=9), office.task("wanted")
    event = tmp_path / "event.json"
    event.write_text(json.dumps({place: {"task_id": wanted.id}}))
    code, _ = agents.end(
        agents.start("true", "--max-tasks=1", GITHUB_ACTIONS="true", GITHUB_EVENT_PATH=str(event))
    )
    assert code == 0
    assert office.read(wanted).status is TaskStatus.COMPLETED
    assert office.read(other).status is TaskStatus.PENDING


def test_an_action_account_ends_at_once_when_nothing_is_claimable(
    open_office: OfficeMaker, tmp_path: Path
) -> None:
    office = open_office()
    action = office.owner.accounts.create(type="action", name="ci")  # type: ignore[arg-type]
    office.key = action.api_key
    with (
        serving(office.broker) as port,
        Agents(office, f"http://127.0.0.1:{port}", tmp_path) as agents,
    ):
        assert agents.end(agents.start("true"))[0] == 0


@pytest.mark.parametrize(
    ("flags", "environment", "code", "told"),
    [
        ((), {"BUILDD_API_KEY": ""}, 2, "BUILDD_API_KEY is not set"),
        ((), {"BUILDD_API_KEY": "buildd_nonsense"}, 4, "key"),
        (("--server=http://127.0.0.1:1",), {}, 5, "http://127.0.0.1:1"),
        (("--server=nonsense",), {}, 2, "URL must look like"),
        (("--max-tasks=0",), {}, 2, "max-tasks"),
        (("--drain-timeout=-1",), {}, 2, "drain-timeout"),
        (("--drain-timeout=nan",), {}, 2, "'--drain-timeout': nan is not a number of seconds"),
        (("--drain-timeout=inf",), {}, 2, "'--drain-timeout': inf is not a number of seconds"),
        (
            ("--executor=nonsense",),
            {},
            2,
            "there is no executor 'nonsense'; installed: claude, claude-code, command",
        ),
        (("--executor=claude",), {"ANTHROPIC_API_KEY": ""}, 2, "ANTHROPIC_API_KEY is not set"),
        (
            ("--executor=claude", "--model=gpt"),
            ANY_KEY,
            2,
            "the price of the model 'gpt' is not known",
        ),
        (("--executor=claude", "--prices=/none"), ANY_KEY, 2, "--prices /none: No such file"),
        (("--executor=claude", "--pass-env=ANTHROPIC_API_KEY"), ANY_KEY, 2, "never passed"),
        (("--command=",), {}, 2, "needs a command to run"),
        (("--pass-env=BUILDD_API_KEY",), {}, 2, "never passed"),
        (("--workspace=ws_none",), {}, 3, "ws_none"),
        ((), {"PATH": "/nowhere"}, 2, "git is not installed"),
        (("--state-dir=/dev/null/x",), {}, 2, "--state-dir /dev/null/x"),
        (("--state-dir=/proc/self",), {}, 2, "--state-dir /proc/self"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    agents: Agents, flags: tuple[str, ...], environment: dict[str, str], code: int, told: str
) -> None:
    agent = agents.start("true", *flags, **environment)
    ended, said = agents.end(agent)
    [line] = [each for each in said.splitlines() if "error:" in each]
    assert told in line
    assert ended == code
    assert "Traceback" not in said


def test_an_account_that_is_deleted_ends_its_agent(agents: Agents) -> None:
    office = agents.office
    agent = agents.start("true", "--max-tasks=1")
    task = office.task()
    until(lambda: office.read(task).status is TaskStatus.COMPLETED)
    office.owner.accounts.delete(id=office.account_id)
    code, said = agents.end(agent)
    # No such account, or no such key: it depends on whether a claim waits at that moment.
    assert code in (3, 4)
    assert "buildd-agent: error:" in said
    assert "Traceback" not in said


def test_a_short_lease_is_kept_through_a_long_run(
    open_office: OfficeMaker, repository: Path, tmp_path: Path
) -> None:
    office = open_office(ttl=1.0, local_path=str(repository))
    task = office.task()
    with (
        serving(office.broker) as port,
        Agents(office, f"http://127.0.0.1:{port}", tmp_path) as agents,
    ):
        agents.start("sleep 4")
        until(lambda: office.read(task).status is TaskStatus.COMPLETED)
    assert office.read(task).attempt == 1


def test_the_local_runner_starts_an_agent_that_works(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = agents.office
    task = office.task()
    monkeypatch.setattr("buildd_runners.local._PASSED", (*_PASSED, "PYTHONPATH"))
    flags = ("--executor=command", "--command=echo hi > hi.txt")
    order = LaunchOrder("lch_1", agents.address, office.key, office.workspace_id, arguments=flags)

    async def launch() -> Observation:
        runner = LocalRunner(office.state)
        ref = await runner.ensure(order)
        await anyio.to_thread.run_sync(
            until, lambda: office.read(task).status is TaskStatus.COMPLETED
        )
        await runner.stop(ref, grace=30)
        return await runner.observe(ref)

    ended = anyio.run(launch)
    assert (ended.state, ended.exit_code) == (LaunchState.EXITED, 0)


def test_an_agent_that_lost_touch_and_its_lease_pushes_nothing(
    open_office: OfficeMaker, repository: Path, tmp_path: Path
) -> None:
    bare, gate = tmp_path / "shop.git", tmp_path / "gate"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(bare))
    office = open_office(ttl=2.0, repo=str(bare))
    task = office.task()
    with ExitStack() as stack:
        with serving(office.broker) as port:
            agents = stack.enter_context(Agents(office, f"http://127.0.0.1:{port}", tmp_path))
            agent = agents.start(WAIT_FOR_A_FILE, "--pass-env=GATE", GATE=str(gate))
            until(lambda: begun(office))
        lost = office.worker(task)
        # The lease runs out while the agent cannot reach the server, and somebody else has the task.
        until(lambda: office.account.workers.claim(task_id=task.id).workers)
        gate.touch()
        clone = next((office.state / "repositories").glob("*.git"))
        until(lambda: "work.txt" in git(clone, "log", "--all", "--name-only"))
        stack.enter_context(serving(office.broker, port))
        agent.terminate()
        code, told = agents.end(agent)
    assert (code, "given up" in told) == (0, True)
    assert git(bare, "branch", "--list", lost.branch) == ""
    assert office.owner.workers.get(id=lost.id).error_code == "lease_lost"
