"""Row 7: what it costs to be there: an import, a command's help, an agent that waits for work."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.bench.comparing import Comparison, Contestants, Figures, Measure, Row, at_most
from tests.bench.crew import hired
from tests.bench.stage import PEERS, ROOT, Stage, environment, seconds_of

CPU, RSS, IDLE = "CPU ms", "RSS MB", "CPU %"
IMPORT, PYDANTIC = "import buildd", "import pydantic"
HELP, CLICK = "buildd --help", "click alone, --help"
AGENT, WORKER = "idle buildd-agent", "idle procrastinate worker"
_BIN = Path(sys.executable).parent
_CLICK = """
import click
@click.group()
def main(): "A program."
@main.command()
def one(): "One command."
@main.command()
def two(): "Another command."
main(["--help"])
"""


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """Programs that end at once, and two that wait beside each other."""
    with ExitStack() as held:
        agent, worker = held.enter_context(_agent(stage)), held.enter_context(_worker(stage))
        time.sleep(stage.sized(5, 1))  # until they have come to rest
        yield {
            PYDANTIC: lambda: _once(stage, [sys.executable, "-c", PYDANTIC]),
            IMPORT: lambda: _once(stage, [sys.executable, "-c", IMPORT]),
            CLICK: lambda: _once(stage, [sys.executable, "-c", _CLICK]),
            HELP: lambda: _once(stage, [str(_BIN / "buildd"), "--help"]),
            WORKER: _idle(worker, stage.sized(30, 1)),
            AGENT: _idle(agent, 0),
        }


def _once(stage: Stage, command: Sequence[str]) -> Figures:
    """What it takes to run a program, its interpreter's start included."""
    turns, before = stage.sized(5, 1), resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(turns):
        subprocess.run(
            command, cwd=stage.directory, env=environment(), stdout=subprocess.DEVNULL, check=True
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {CPU: 1000 * used / turns}


def _idle(process: subprocess.Popen[str], seconds: float) -> Measure:
    """What a program that waits uses while the others have their turns, and for so long after."""
    found = psutil.Process(process.pid)
    used, since = seconds_of(found), time.monotonic()

    def measure() -> Figures:
        nonlocal used, since
        time.sleep(seconds)
        assert process.poll() is None, f"{process.args!r} has ended"
        now, before, began = time.monotonic(), used, since
        used, since = seconds_of(found), now
        share = (used - before) / (now - began)
        return {RSS: found.memory_info().rss / (1 << 20), IDLE: 100 * share}

    return measure


@contextmanager
def _agent(stage: Stage) -> Iterator[subprocess.Popen[str]]:
    with stage.server(stage.sqlite_url()) as server:
        with server.owner() as owner:
            crew = hired(owner, 1, 1)
        settings = {"BUILDD_SERVER": server.address, "BUILDD_API_KEY": crew.keys[0]}
        command = [str(_BIN / "buildd-agent"), "--executor", "command", "--command", "true"]
        with _running(stage, command, {**settings, "HOME": str(stage.directory)}) as process:
            yield process


@contextmanager
def _worker(stage: Stage) -> Iterator[subprocess.Popen[str]]:
    program = ROOT / "tests" / "bench" / "peers" / "with_procrastinate.py"
    command = [str(PEERS / "bin" / "python"), str(program)]
    with _running(stage, command, {}) as process:
        assert process.stdin is not None
        json.dump({"work": "idle", "database": stage.postgres_url()}, process.stdin)
        process.stdin.close()
        yield process


@contextmanager
def _running(
    stage: Stage, command: Sequence[str], settings: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command,
        cwd=stage.directory,
        env=environment(**settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


ROW = Row(
    7,
    "To be there",
    "Seconds of a processor from start to end of a process; the idle ones are an agent that waits at a"
    " server of ours and a worker that waits at Postgres",
    (
        Comparison(CPU, IMPORT, (PYDANTIC,), at_most(1.5)),
        Comparison(CPU, HELP, (CLICK,), at_most(1.5)),
        Comparison(RSS, AGENT, (WORKER,), at_most(1.1)),
        Comparison(IDLE, AGENT, (WORKER,), at_most(1.1)),
    ),
    opened,
)
