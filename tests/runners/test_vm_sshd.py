"""The `vm` runner with OpenSSH's own client and server, and once with a whole system."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildd.errors import BuilddError, ConfigError, OutcomeUnknown, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState
from buildd.states import TaskStatus
from buildd.testing.runners import RunnerSuite
from buildd_runners.vm.runner import VmRunner
from tests.agent.office import OfficeMaker
from tests.conftest import serving
from tests.runners.far import Far, Sshd

pytestmark = [pytest.mark.real, pytest.mark.anyio]

EXAMPLE = Path(__file__).parents[2] / "examples" / "vm" / "launch.py"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    far = Far(tmp_path, monkeypatch, Sshd)
    yield far
    far.close()


@pytest.mark.real
class TestVmRunner(RunnerSuite):
    """A real daemon, a real client, and programs that are really started by them."""


def sshd(world: Far) -> Sshd:
    assert isinstance(world.road, Sshd)
    return world.road


async def told(runner: VmRunner, error: type[BuilddError]) -> str:
    """What `ensure` raises, which `observe` takes for unknown and `check` tells as well."""
    with pytest.raises(BuilddError) as problem:
        await runner.ensure(LaunchOrder("lch_1", "http://127.0.0.1:9", "key"))
    assert type(problem.value) is error, problem.value
    seen = await runner.observe(ExternalRef("vm", "lch_1", f"{runner._host}/1@2.00"))
    assert (seen.state, seen.detail) == (LaunchState.UNKNOWN, problem.value.message)
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1"):
        await runner.check()
    return problem.value.message


async def test_a_host_nobody_knows_is_not_spoken_to(world: Far) -> None:
    (world.directory / "known_hosts").write_text("")
    assert "its host key is unknown" in await told(world.runner(), ConfigError)
    assert (world.directory / "known_hosts").read_text() == ""


async def test_a_host_that_has_another_key_is_not_spoken_to(world: Far) -> None:
    sshd(world).key("other")
    sshd(world).trust("other")
    assert "another host key than the one you know" in await told(world.runner(), ConfigError)


async def test_a_key_that_opens_nothing(world: Far) -> None:
    sshd(world).key("stranger")
    shutil.copy(world.directory / "stranger", world.directory / "person")
    assert "it does not let us in" in await told(world.runner(), ConfigError)


async def test_a_key_that_others_may_read(world: Far) -> None:
    (world.directory / "person").chmod(0o644)
    assert "chmod 600" in await told(world.runner(), ConfigError)


async def test_a_port_where_nobody_listens(world: Far) -> None:
    sshd(world).cut_off()
    assert "Connection refused" in await told(world.runner(), Unavailable)


async def test_a_machine_that_takes_calls_and_says_nothing(world: Far) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config = {**world.road.config, "port": port, "connect_timeout": 1}
        said = await told(VmRunner.from_config(config), Unavailable)
    assert "timed out" in said


async def test_a_host_without_buildd(world: Far) -> None:
    bare = world.directory / "bare"
    bare.write_text(f'#!/bin/sh\nexec {world.python} -S "$@"\n')
    bare.chmod(0o755)
    config = {**world.road.config, "python": str(bare)}
    assert "buildd is not installed there" in await told(VmRunner.from_config(config), ConfigError)


async def test_a_connection_that_is_cut_ends_no_agent(world: Far) -> None:
    runner = world.runner()
    ref = await runner.ensure(LaunchOrder("lch_1", "http://127.0.0.1:9", "key"))
    sshd(world).cut_off()
    assert (await runner.observe(ref)).state is LaunchState.UNKNOWN
    with pytest.raises(Unavailable):
        await runner.stop(ref, 0)
    assert world.agents("lch_1") == 1
    sshd(world).reconnect()
    assert (await runner.observe(ref)).state is LaunchState.RUNNING


async def test_a_stop_goes_on_when_the_connection_is_cut(world: Far) -> None:
    runner = world.runner()
    ref = await runner.ensure(LaunchOrder("lch_1", "http://127.0.0.1:9", "key"))
    world.ready("lch_1")
    (world.directory / "trouble").write_text("cut")
    with pytest.raises(OutcomeUnknown, match="the connection was lost"):
        await runner.stop(ref, 60)
    while (await runner.observe(ref)).state is not LaunchState.EXITED:
        assert (await runner.observe(ref)).state in (LaunchState.RUNNING, LaunchState.EXITED)
    assert world.drained("lch_1")


async def test_a_task_is_done_on_the_vm(world: Far, open_office: OfficeMaker) -> None:
    office = open_office()
    task = office.task()
    state = world.directory / "agent-state"
    config = {**world.road.config, "python": str(world.python)}
    flags = ["--command=echo painted", "--max-tasks=1", f"--state-dir={state}"]
    with serving(office.broker) as address:
        example = subprocess.Popen(
            [world.python, EXAMPLE, json.dumps(config), *flags],
            env={**os.environ, "BUILDD_SERVER": address, "BUILDD_API_KEY": office.key},
            stdout=subprocess.PIPE,
            text=True,
        )
        with example:
            assert example.stdout is not None
            assert ": running" in example.stdout.readline()
            while office.read(task).status is not TaskStatus.COMPLETED:
                time.sleep(0.05)
            example.send_signal(signal.SIGINT)
            assert example.stdout.read().endswith("ended\n")
    assert example.returncode == 0
    assert "painted" in office.said(office.worker(task))
    [launch] = (world.directory / "state" / "launches").iterdir()
    assert office.key not in (launch / "log").read_text()
