"""The template in `examples/coder`: its scripts are run, as Coder's own agent would run them."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from buildd.roles import LaunchOrder, LaunchState
from buildd.states import TaskStatus
from buildd_runners.coder import launches
from tests.agent.office import Office
from tests.conftest import serving
from tests.patience import PATIENCE
from tests.runners.coder_world import runner_of
from tests.runners.fake_coder import Coder

PARTS = Path(__file__).parents[2] / "examples" / "coder" / "agent"
KEY = "buildd_acquire_a_key_that_nobody_else_may_see"
AWKWARD = ("--max-tasks=1", "it's $HOME", '"q" `id` ${x} %{y} \\ &&', "two\nlines", "é*", "")


def rendered(workspace: dict[str, str], machine: int) -> str:
    """The start-up script as Terraform makes it of the parameters."""
    lines = {
        "BUILDD_SERVER": workspace["buildd_server"],
        "BUILDD_API_KEY": workspace["buildd_key"],
    }
    text = "".join(f"{name}={json.dumps(value)}\n" for name, value in lines.items())
    quoted = [each.replace("'", "'\\''") for each in json.loads(workspace["buildd_arguments"])]
    settings = base64.b64encode(text.encode()).decode() if workspace["buildd_key"] else ""
    script = (PARTS / "start.sh").read_text()
    script = script.replace("${settings}", settings).replace("${machine}", str(machine))
    return script.replace("${arguments}", " ".join(f"'{each}'" for each in quoted))


def parameters(*arguments: str, key: str = KEY) -> dict[str, str]:
    order = LaunchOrder("lch_1", "https://buildd.example.com", key, arguments=arguments)
    return launches.parameters_of(order, {})


@dataclass
class Machine:
    """What Coder makes of a template: a home, and a first process, whose end is its end."""

    home: Path
    path: Path
    first: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir()
        self.first = subprocess.Popen(["sleep", "600"])

    def start(self, given: dict[str, str]) -> None:
        self._run(rendered(given, self.first.pid))

    def drain(self) -> None:
        self._run((PARTS / "drain.sh").read_text())

    def end(self) -> None:
        self.drain()
        self.first.kill()
        self.first.wait()

    def file(self, name: str) -> Path:
        return self.home / ".buildd" / name

    def _run(self, script: str) -> None:
        environment = {"PATH": f"{self.path}:{os.environ['PATH']}", "HOME": str(self.home)}
        subprocess.run(["sh"], input=script.encode(), env=environment, check=True, timeout=PATIENCE)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "machine", tmp_path / "bin")
    made.path.mkdir()
    yield made
    made.end()


def stand_in(machine: Machine, script: str) -> None:
    """A `buildd-agent` that tells what it was given."""
    program = machine.path / "buildd-agent"
    tell = "import json, sys; json.dump(sys.argv[1:], open('argv.new', 'w'))"
    python = f"{shlex.quote(sys.executable)} -c {shlex.quote(tell)}"
    program.write_text(f'#!/bin/sh\n{python} "$@"; mv argv.new argv\n{script}\n')
    program.chmod(0o755)


def wait_for(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    while not condition():
        pause.wait(0.02)


def test_the_agent_gets_its_arguments_and_its_key_and_ends_the_machine(machine: Machine) -> None:
    stand_in(machine, "env > environment; exit 3")
    machine.start(parameters(*AWKWARD[1:]))
    assert machine.first.wait() == -15
    assert json.loads(machine.file("argv").read_text()) == list(AWKWARD)
    settings = machine.file(".env")
    assert f'BUILDD_API_KEY="{KEY}"' in settings.read_text()
    assert settings.stat().st_mode & 0o077 == 0
    assert KEY not in machine.file("environment").read_text()
    assert KEY not in machine.file("argv").read_text()


def test_it_is_drained_before_the_machine_goes(machine: Machine) -> None:
    stand_in(machine, 'trap "echo drained > end; exit 0" TERM; while :; do sleep 0.05; done')
    machine.start(parameters())
    wait_for(machine.file("argv").exists)
    machine.drain()
    assert machine.file("end").read_text() == "drained\n"
    assert not psutil.pid_exists(int(machine.file("agent.pid").read_text()))
    machine.drain()


def test_a_workspace_that_a_person_starts_has_no_agent(machine: Machine) -> None:
    machine.start(parameters(key=""))
    assert not machine.file("agent.pid").exists()
    machine.drain()
    assert machine.first.poll() is None


@pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed")
@pytest.mark.parametrize("key", [KEY, ""])
def test_terraform_makes_the_same_of_it(tmp_path: Path, key: str) -> None:
    given = parameters(*AWKWARD[1:], key=key)
    where = tmp_path / "agent"
    shutil.copytree(PARTS, where)
    values = {each: given[f"buildd_{each}"] for each in ("server", "key", "arguments")}
    (where / "terraform.tfvars.json").write_text(json.dumps({**values, "machine": 7}))

    def terraform(*words: str) -> str:
        done = subprocess.run(
            ["terraform", *words], cwd=where, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    terraform("init", "-input=false")
    terraform("apply", "-input=false", "-auto-approve")
    assert terraform("output", "-raw", "start") == rendered(given, 7)
    drain = terraform("output", "-raw", "drain")
    assert drain == (PARTS / "drain.sh").read_text()
    terraform("fmt", "-check", str(PARTS.parent), str(PARTS))


@pytest.mark.anyio
async def test_a_task_is_done_in_a_workspace(office: Office, machine: Machine) -> None:
    """A real server and a real agent; only Coder is played."""
    (machine.path / "buildd-agent").symlink_to(Path(sys.executable).parent / "buildd-agent")
    task = office.task()
    with Coder() as coder, serving(office.broker) as url:
        coder.started = lambda workspace: machine.start(workspace.parameters)
        coder.ending = lambda workspace: machine.end()
        runner = runner_of(coder)
        command = ("--executor=command", "--command=echo done")
        ref = await runner.ensure(
            LaunchOrder("lch_1", url, office.key, office.workspace_id, arguments=command)
        )
        while (await runner.observe(ref)).state is not LaunchState.RUNNING:
            pass
        wait_for(lambda: office.read(task).status is TaskStatus.COMPLETED)
        agent = psutil.Process(int(machine.file("agent.pid").read_text()))
        assert office.key not in " ".join(agent.cmdline())
        await runner.stop(ref, 60)
        assert (await runner.observe(ref)).state is LaunchState.GONE
        assert not agent.is_running()
        assert await runner.list_owned() == []


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
