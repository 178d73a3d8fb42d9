"""Process trees that really die: own session and group, a marker in the environment, and a sweep.

A group alone is not enough: shells with job control make new groups, and a daemon that forks twice
and calls setsid leaves both group and session. The marker follows it there.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from anyio.abc import ByteReceiveStream, Process

from buildd.clock import elapsed

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

MARK = "BUILDD_WORKER_ID"
"""The variable whose value, a worker's id, marks every process of its attempt."""
OWNER = "BUILDD_AGENT_PROCESS"
"""The variable that names the agent process an attempt belongs to."""
GRACE = 5.0
"""Seconds between asking a tree to end and ending it."""

_PR_SET_DUMPABLE = 4
_POLL = 0.05
_SWEEPS = 40
_SAME_START = 2.0
"""Seconds by which a corrected wall clock may shift the start of a process."""

# A child that outlives a killed agent would go on working for nobody. The kernel's own tie is set
# by the child itself, in a fresh interpreter, because code between fork and exec of a threaded
# process is unsafe.
_TETHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


async def spawn(
    argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], stdin: int, stdout: int
) -> Process:
    """Start a program in its own session and group, its errors going where its output goes.

    The kernel kills the program itself when this process dies (on Linux).
    """
    return await _start(
        [*_tether(), *argv],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=environment,
    )


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes | int = b"",
    stdout: IO[bytes] | int = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, in its own session; cancelled, it has ended with its group.

    `stdin` is what it reads, or a descriptor. Raises what starting a process raises.
    """
    process = await _start(
        argv,
        stdin=stdin if isinstance(stdin, int) else subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=environment,
    )
    said: dict[int, bytes] = {}
    async with process:
        try:
            async with anyio.create_task_group() as streams:
                if isinstance(stdin, bytes):
                    streams.start_soon(_tell, process, stdin)
                streams.start_soon(_hear, process.stdout, said, 1)
                streams.start_soon(_hear, process.stderr, said, 2)
            code = await process.wait()
        except BaseException:
            with anyio.CancelScope(shield=True), suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            raise
    return subprocess.CompletedProcess((), code, said[1], said[2])


async def _start(argv: Sequence[str], **how: Any) -> Process:
    # Cancelled while it starts a process, asyncio kills it and waits for its end. But anyio cancels
    # this wait too: the process, which nobody knows yet, would never be buried.
    with anyio.CancelScope(shield=True):
        started = await anyio.open_process(argv, start_new_session=True, **how)
    return started  # noqa: RET504 - mypy takes a scope for one that may swallow the return


async def _tell(process: Process, stdin: bytes) -> None:
    assert process.stdin is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.send(stdin)
    await process.stdin.aclose()


async def _hear(stream: ByteReceiveStream | None, said: dict[int, bytes], number: int) -> None:
    said[number] = b"".join([part async for part in stream]) if stream is not None else b""


def _tether() -> list[str]:
    if not sys.platform.startswith("linux"):
        return []
    return [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid())]


async def stop(leader: int, mark: str, grace: float = GRACE, variable: str = MARK) -> None:
    """End a process, its session and descendants, and all that carry the mark; cannot be cancelled.

    They get SIGTERM and `grace` seconds, then SIGKILL until none is left.
    """
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(_stop, leader, (variable, mark), grace)


def _stop(leader: int, mark: tuple[str, str], grace: float) -> None:
    tree = _tree(leader, mark)
    _signal(tree, signal.SIGTERM)
    deadline = elapsed() + grace
    while elapsed() < deadline and (tree := _alive(tree)):
        time.sleep(_POLL)
    for _ in range(_SWEEPS):
        tree = _alive(tree) | _tree(leader, mark)
        if not tree:
            return
        _signal(tree, signal.SIGKILL)
        time.sleep(_POLL)
    log.warning(
        "%d processes of %s do not die: %s", len(tree), mark[1], sorted(p.pid for p in tree)
    )


def _tree(leader: int, mark: tuple[str, str]) -> set[psutil.Process]:
    import psutil

    found = {process for process in psutil.process_iter() if _belongs(process, leader, mark)}
    for process in list(found):
        try:
            found.update(process.children(recursive=True))
        except psutil.Error:
            continue
    return _alive(found)


def _belongs(process: psutil.Process, leader: int, mark: tuple[str, str]) -> bool:
    import psutil

    try:
        # A leader of 0 means none: session 0 is that of the kernel's own threads.
        if leader and leader in (process.pid, os.getsid(process.pid)):
            return True
        return process.environ().get(mark[0]) == mark[1]
    except (psutil.Error, OSError):
        return False


def _alive(processes: set[psutil.Process]) -> set[psutil.Process]:
    import psutil

    def lives(process: psutil.Process) -> bool:
        # `psutil.wait_procs` would reap our own children, and the event loop miss their exit.
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    return {process for process in processes if process.pid != os.getpid() and lives(process)}


def _signal(processes: set[psutil.Process], number: signal.Signals) -> None:
    import psutil

    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue


def hide_environment() -> None:
    """Keep this process's environment from programs that it starts for others (on Linux).

    They run as the same user, and could otherwise read the agent's key in /proc.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)


def identity(pid: int | None = None) -> str:
    """A name for a process that no later process can have: its pid with the time it was started.

    Raises `ProcessLookupError` if there is none.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        return f"{process.pid}@{process.create_time():.2f}"
    except psutil.Error:
        raise ProcessLookupError(pid) from None


def find(name: str) -> psutil.Process | None:
    """The process an `identity` stands for, if it still runs."""
    import psutil

    pid, _, started = name.partition("@")
    try:
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(started)) < _SAME_START
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, ValueError):
        return None


def sweep_orphans() -> int:
    """End what attempts of dead agents on this machine left running; returns how many processes."""
    import psutil

    orphans: dict[psutil.Process, str] = {}
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue
        owner, mark = environment.get(OWNER), environment.get(MARK)
        if owner and mark and _is_neighbour(process.pid) and find(owner) is None:
            orphans[process] = mark
    for mark in set(orphans.values()):
        _stop(0, (MARK, mark), GRACE)
    return len(orphans)


def _is_neighbour(pid: int) -> bool:
    """Whether a process counts pids as we do; in a container its owner's would mean another one."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except OSError:
        return False
