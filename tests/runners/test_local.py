from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from buildd.agent import process
from buildd.errors import ConfigError
from buildd.roles import ExternalRef, LaunchOrder, LaunchState
from buildd_runners import local
from buildd_runners.local import LocalRunner

pytestmark = pytest.mark.anyio

KEY = "buildd_a_key_that_nobody_else_may_see"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for Python, and so for the agent's program: it tells that it was started, and waits."""
    program = tmp_path / "agent"
    program.write_text(
        f"#!/bin/sh\necho started >> {tmp_path}/starts; cat .env > {tmp_path}/env\n"
        f'trap "exit 0" TERM\necho "$@" > {tmp_path}/argv\n'
        "setsid sleep 600 &\nwhile :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return tmp_path


def order(order_id: str = "lch_1") -> LaunchOrder:
    return LaunchOrder(
        id=order_id,
        server="http://127.0.0.1:3000",
        key=KEY,
        workspace_id="ws_1",
        arguments=("--executor=command", "--command=true"),
    )


def wait_for(path: Path) -> str:
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return path.read_text()


async def test_a_launch_lives_and_ends(agent: Path) -> None:
    runner = LocalRunner(agent / "state")
    await runner.check()
    ref = await runner.ensure(order())
    argv = wait_for(agent / "argv")
    assert "--workspace=ws_1" in argv
    assert "--command=true" in argv
    assert (await runner.observe(ref)).state is LaunchState.RUNNING
    assert await runner.list_owned() == [ref]
    await runner.extend(ref, 60)
    await runner.stop(ref, grace=30)
    ended = await runner.observe(ref)
    assert (ended.state, ended.exit_code) == (LaunchState.EXITED, 0)
    assert not [each for each in psutil.process_iter() if _is_of(each, "lch_1")]
    await runner.stop(ref, grace=0)
    await runner.forget(ref)
    assert (await runner.observe(ref)).state is LaunchState.GONE
    assert await runner.list_owned() == []


def _is_of(each: psutil.Process, order_id: str) -> bool:
    try:
        return each.environ().get("BUILDD_LAUNCH_ID") == order_id
    except psutil.Error:
        return False


async def test_the_key_is_in_a_private_file_only(agent: Path) -> None:
    runner = LocalRunner(agent / "state")
    ref = await runner.ensure(order())
    assert f'BUILDD_API_KEY="{KEY}"' in wait_for(agent / "env")
    assert KEY not in wait_for(agent / "argv")
    pid = int(ref.external_id.partition("@")[0])
    assert KEY not in psutil.Process(pid).environ().values()
    settings = agent / "state" / "launches" / "lch_1" / ".env"
    assert settings.stat().st_mode & 0o077 == 0
    assert KEY not in repr(order())
    await runner.stop(ref, grace=0)


async def test_ensure_is_idempotent_also_in_another_process(
    agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await LocalRunner(agent / "state").ensure(order())
    wait_for(agent / "argv")
    monkeypatch.setattr(local, "_children", {})
    runner = LocalRunner(agent / "state")
    assert await runner.ensure(order()) == first
    assert (await runner.observe(first)).state is LaunchState.RUNNING
    # The runner died after starting the process and before writing down which.
    (agent / "state" / "launches" / "lch_1" / "process").unlink()
    again = await runner.ensure(order())
    assert process.find(again.external_id) == process.find(first.external_id)
    assert (agent / "starts").read_text() == "started\n"
    await runner.stop(again, grace=0)
    assert (await runner.observe(again)).state is LaunchState.EXITED


async def test_another_process_with_the_same_number_is_not_ours(tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path)
    stranger = ExternalRef("local", "lch_1", f"{os.getpid()}@12345.00")
    assert (await runner.observe(stranger)).state is LaunchState.GONE


async def test_stopping_what_has_ended_spares_whoever_has_its_number_now(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        await LocalRunner(tmp_path).stop(
            ExternalRef("local", "lch_1", f"{stranger.pid}@12345.00"), 0
        )
        alive = stranger.poll() is None
        stranger.kill()
    assert alive


@pytest.mark.parametrize("order_id", ["../escape", "", "a/b", "x" * 101])
async def test_a_launch_has_a_plain_name(tmp_path: Path, order_id: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a launch"):
        await LocalRunner(tmp_path).ensure(order(order_id))


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="Not a directory"):
        await LocalRunner(tmp_path / "file").check()
