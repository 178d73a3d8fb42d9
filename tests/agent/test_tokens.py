"""Agents that come with a token: started by a pool for one task, kept warm, or enrolling themselves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from buildd import plugins
from buildd.broker import Broker, BrokerSettings, Means
from buildd.cli import _config
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.ids import Secret, secret_kind
from buildd.models import Launch, Task
from buildd.states import LaunchStatus, TaskStatus
from buildd_runners import local
from buildd_server.app import create_app
from buildd_server.listening import listen
from buildd_server.serving import Server
from buildd_server.settings import Settings
from tests.agent.office import git
from tests.chaos.proxy import Proxy
from tests.patience import until

KEY = "sk-a-key-of-the-model"


@dataclass
class Yard:
    """A server that starts agents on this machine, for an account that works in one workspace."""

    address: str
    owner: Client
    account_id: str
    key: str
    workspace_id: str
    home: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def pool(self, command: str, *arguments: str, **fields: Any) -> None:
        self.owner.pools.create(
            name="here",
            account_id=self.account_id,
            runner="local",
            config={"state_dir": str(self.home / "pool")},
            arguments=["--executor=command", f"--command={command}", *arguments],
            **fields,
        )

    def task(self) -> Task:
        return self.owner.tasks.create(workspace_id=self.workspace_id, title="Fix it")

    def done(self, task: Task) -> bool:
        return self.owner.tasks.get(id=task.id).status is TaskStatus.COMPLETED

    def launch(self) -> Launch:
        [launch] = self.owner.launches.list()
        return launch

    def token(self, launch: Launch) -> str:
        at = self.home / "pool" / "launches" / launch.id
        return _config.load({}, at).found["api_key"].value

    def agent(self, key: str, command: str, *flags: str, **environment: str) -> Any:
        argv = [sys.executable, "-m", "buildd.cli.agent", "--executor=command"]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD", "GITHUB"))}
        settings = {"BUILDD_SERVER": self.address, "BUILDD_API_KEY": key}
        agent = subprocess.Popen(
            [*argv, f"--command={command}", *flags],
            cwd=self.home,
            env={**inherited, **settings, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(agent)
        return agent

    def end(self, agent: Any) -> tuple[int, str]:
        _, told = agent.communicate(timeout=60)
        return agent.returncode, told


@pytest.fixture
def yard(
    sqlite_url: str, repository: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Yard]:
    monkeypatch.setattr(local, "_PASSED", (*local._PASSED, "PYTHONPATH"))
    with ExitStack() as stack:
        [listener] = listen("127.0.0.1", 0)
        stack.enter_context(listener)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        means = Means(plugins.load().runners.make, address, {"MODEL_KEY": KEY})
        broker = Broker.open(sqlite_url, BrokerSettings(means=means))
        stack.callback(broker.close)
        server = Server(create_app(broker, Settings()))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        owner = Client(EmbeddedTransport(Embedding(broker)))
        account = owner.accounts.create(type="service", name="yard")
        place = owner.workspaces.create(name="shop", local_path=str(repository))
        owner.accounts.grant(account_id=account.id, workspace_id=place.id)
        stack.callback(thread.join)
        stack.callback(setattr, server, "should_exit", True)
        yard = Yard(address, owner, account.id, account.api_key, place.id, empty_home)
        yield yard
        for agent in yard.running:
            agent.kill()
            agent.communicate()
        for pool in owner.pools.list():
            owner.pools.update(id=pool.id, enabled=False, minimum=0)
        for launch in owner.launches.list(open=True):
            owner.launches.stop(id=launch.id)
        until(lambda: not owner.launches.list(open=True))


def test_a_task_gets_an_agent_of_its_own(yard: Yard, repository: Path) -> None:
    command = 'test "$MODEL_KEY" && echo done > done.txt'
    yard.pool(command, "--pass-env=MODEL_KEY", pass_env=["MODEL_KEY"])
    task = yard.task()
    until(lambda: yard.done(task))
    until(lambda: yard.launch().status is LaunchStatus.ENDED)
    [worker] = yard.owner.workers.list(task_id=task.id)
    launch = yard.launch()
    assert (launch.worker_id, launch.exit_code) == (worker.id, 0)
    assert git(repository, "show", f"{worker.branch}:done.txt") == "done"
    token = yard.token(launch)
    assert secret_kind(token) is Secret.ACQUIRE
    log = (yard.home / "pool" / "launches" / launch.id / "log").read_text()
    assert token not in log
    assert KEY not in log
    other = yard.agent(token, "true")
    code, told = yard.end(other)
    assert code in (3, 4)
    assert [line for line in told.splitlines() if "buildd-agent: error:" in line]
    assert "Traceback" not in told


def test_a_server_that_is_away_as_it_starts_costs_nothing(yard: Yard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as away:
        port = away.getsockname()[1]
        yard.pool("true", server=f"http://127.0.0.1:{port}")
        task = yard.task()
        away.accept()[0].close()
    proxy = Proxy(urlsplit(yard.address).port or 0, port)
    until(lambda: yard.done(task))
    until(lambda: yard.launch().status is LaunchStatus.ENDED)
    assert yard.launch().exit_code == 0
    proxy.close()


def test_it_can_be_stopped_while_the_server_is_away(yard: Yard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as away:
        yard.pool("true", server=f"http://127.0.0.1:{away.getsockname()[1]}")
        yard.task()
        away.accept()[0].close()
        away.accept()[0].close()
        launch = yard.launch()
        yard.owner.launches.stop(id=launch.id)
        until(lambda: yard.owner.launches.get(id=launch.id).status is LaunchStatus.ENDED)
        assert yard.owner.launches.get(id=launch.id).exit_code == 0


def test_it_goes_on_where_another_agent_left_off(yard: Yard) -> None:
    first = yard.agent(
        yard.key, "echo half > half.txt; touch begun; sleep 600", "--drain-timeout=0"
    )
    task = yard.task()
    worktrees = yard.home / ".local" / "state" / "buildd" / "worktrees"
    until(lambda: any(worktrees.glob("*/begun")))
    first.send_signal(signal.SIGTERM)
    assert yard.end(first)[0] == 0
    yard.pool("cat half.txt")
    until(lambda: yard.done(task))
    worker = yard.owner.workers.list(task_id=task.id)[0]
    said = yard.owner.messages.list(worker_id=worker.id)
    assert any("half" in (each.content or "") for each in said)


def test_a_warm_agent_waits_for_its_one_task(yard: Yard) -> None:
    yard.pool("echo done > done.txt", minimum=1)
    keys = yard.home / ".local" / "state" / "buildd" / "keys"
    until(lambda: [each for each in keys.glob("*") if not each.suffix])
    [launch] = yard.owner.launches.list()
    assert secret_kind(yard.token(launch)) is Secret.ENROL
    task = yard.task()
    until(lambda: yard.done(task))
    [worker] = yard.owner.workers.list(task_id=task.id)
    until(lambda: yard.owner.launches.get(id=launch.id).status is LaunchStatus.ENDED)
    assert yard.owner.launches.get(id=launch.id).worker_id == worker.id


def test_once_waits_for_so_many_tasks_and_ends(yard: Yard) -> None:
    agent = yard.agent(yard.key, "true", "--once", "--max-tasks=2")
    for _ in range(2):
        task = yard.task()
        until(partial(yard.done, task))
    last = yard.task()
    assert yard.end(agent)[0] == 0
    assert yard.owner.tasks.get(id=last.id).status is TaskStatus.PENDING


def test_a_machine_enrols_itself_once(yard: Yard) -> None:
    token = yard.owner.accounts.create_enrolment(account_id=yard.account_id).token
    for _ in range(2):
        agent = yard.agent(token, "true")
        task = yard.task()
        until(partial(yard.done, task))
        agent.send_signal(signal.SIGTERM)
        code, told = yard.end(agent)
        assert code == 0
        assert token not in told
    keys = yard.home / ".local" / "state" / "buildd" / "keys"
    assert keys.stat().st_mode & 0o077 == 0
    [kept] = [each for each in keys.iterdir() if not each.suffix]
    assert kept.stat().st_mode & 0o077 == 0
    assert secret_kind(kept.read_text()) is Secret.KEY
    code, told = yard.end(yard.agent(token, "true", f"--state-dir={yard.home / 'elsewhere'}"))
    assert code == 4
    assert "was used" in told
    assert "`buildd accounts enrol` makes another" in told
    assert "Traceback" not in told


def test_two_agents_that_enrol_at_once_share_the_key(yard: Yard) -> None:
    token = yard.owner.accounts.create_enrolment(account_id=yard.account_id).token
    agents = [yard.agent(token, "true", "--once", "--max-tasks=1") for _ in range(2)]
    tasks = [yard.task() for _ in range(2)]
    until(lambda: all(map(yard.done, tasks)))
    assert [yard.end(agent)[0] for agent in agents] == [0, 0]


def test_a_service_finds_its_key_among_its_credentials(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "buildd_api_key").write_text(f"{yard.key}\n")
    agent = yard.agent("", "true", "--once", "--max-tasks=1", CREDENTIALS_DIRECTORY=str(tmp_path))
    task = yard.task()
    until(lambda: yard.done(task))
    assert yard.end(agent)[0] == 0


def test_a_key_that_could_not_be_kept_is_not_asked_for(yard: Yard) -> None:
    token = yard.owner.accounts.create_enrolment(account_id=yard.account_id).token
    state = yard.home / "state"
    state.mkdir()
    (state / "keys").touch()
    code, told = yard.end(yard.agent(token, "true", f"--state-dir={state}"))
    assert (code, "File exists" in told) == (2, True)
    (state / "keys").unlink()
    task = yard.task()
    yard.agent(token, "true", f"--state-dir={state}")
    until(lambda: yard.done(task))
