from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import anyio
import anyio.lowlevel
import psutil
import pytest

from buildd.agent import process
from buildd.ids import Kind, new_id
from tests.patience import PATIENCE

pytestmark = pytest.mark.anyio

DAEMON = """
import os, sys, time
if os.fork():
    os.wait()
    time.sleep(300)
os.setsid()
if os.fork():
    os._exit(0)
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1] + '.new', 'w') as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + '.new', sys.argv[1])
time.sleep(300)
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def environment(mark: str, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], process.MARK: mark, **more}


def wait_for(path: Path) -> int:
    """The pid that a program writes there once it is ready."""
    while not path.exists():
        time.sleep(0.01)
    return int(path.read_text())


async def start(tmp_path: Path, *argv: str, mark: str = "wkr_any") -> anyio.abc.Process:
    null = os.open(os.devnull, os.O_RDWR)
    try:
        return await process.spawn(
            argv, cwd=tmp_path, environment=environment(mark), stdin=null, stdout=null
        )
    finally:
        os.close(null)


async def test_a_daemon_that_left_group_and_session_dies_too(tmp_path: Path) -> None:
    pid_file, mark = tmp_path / "pid", new_id(Kind.WORKER)
    leader = await start(tmp_path, sys.executable, "-c", DAEMON, str(pid_file), mark=mark)
    daemon = await anyio.to_thread.run_sync(wait_for, pid_file)
    assert os.getsid(daemon) not in (leader.pid, os.getsid(0))
    await process.stop(leader.pid, mark, grace=0.1)
    await leader.aclose()
    assert not psutil.pid_exists(daemon) or psutil.Process(daemon).status() == "zombie"


async def test_another_attempts_processes_are_left_alone(tmp_path: Path) -> None:
    marks = new_id(Kind.WORKER), new_id(Kind.WORKER)
    one, two = [await start(tmp_path, "sleep", "300", mark=each) for each in marks]
    await process.stop(one.pid, marks[0])
    assert two.returncode is None
    await process.stop(two.pid, marks[1])
    assert await one.wait() < 0
    assert await two.wait() < 0


async def test_a_program_gets_its_exit_code_through(tmp_path: Path) -> None:
    child = await start(tmp_path, "/bin/sh", "-c", "exit 7")
    assert await child.wait() == 7


@pytest.mark.parametrize("checkpoints", range(8))
def test_cancelled_at_any_moment_a_program_is_ended_and_buried(
    tmp_path: Path, checkpoints: int
) -> None:
    async def work() -> None:
        await process.run(["sleep", "300"], cwd=tmp_path, environment=environment("wkr_any"))

    async def cancel() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            for _ in range(checkpoints):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    before = set(psutil.Process().children())
    anyio.run(cancel)
    gc.collect()  # Python warns of a process that it collects before anybody has seen its end
    assert set(psutil.Process().children()) <= before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's tie is Linux's")
def test_a_program_dies_with_its_agent(tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text(f"""
import anyio, os
from pathlib import Path
from buildd.agent import process
async def main():
    with open(os.devnull, 'r+b') as null:
        child = await process.spawn(
            ['/bin/sh', '-c', 'echo $$ > new; mv new pid; exec sleep 300'],
            cwd=Path({str(tmp_path)!r}), environment=dict(os.environ),
            stdin=null.fileno(), stdout=null.fileno())
        await child.wait()
anyio.run(main)
""")
    running = subprocess.Popen([sys.executable, str(agent)])
    child = psutil.Process(wait_for(tmp_path / "pid"))
    running.kill()
    running.wait()
    psutil.wait_procs([child], timeout=PATIENCE)
    assert not child.is_running() or child.status() == "zombie"


def test_orphans_of_a_dead_agent_are_swept() -> None:
    dead = subprocess.Popen(["true"])
    owner = process.identity(dead.pid)
    dead.wait()
    orphan = subprocess.Popen(
        ["sleep", "300"],
        env=environment(new_id(Kind.WORKER), **{process.OWNER: owner}),
        start_new_session=True,
    )
    own = subprocess.Popen(
        ["sleep", "300"],
        env=environment(new_id(Kind.WORKER), **{process.OWNER: process.identity()}),
        start_new_session=True,
    )
    process.sweep_orphans()  # an agent of another test may have done so before
    assert orphan.wait(PATIENCE) < 0
    assert own.poll() is None
    own.kill()
    own.wait()


def test_an_identity_is_not_given_to_a_later_process() -> None:
    name = process.identity()
    assert process.find(name) is not None
    pid = name.partition("@")[0]
    assert process.find(f"{pid}@12345.00") is None
    assert process.find("not one") is None
