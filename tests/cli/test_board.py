"""What an agent shows of its work, drawn for terminals of all widths, and on a real one."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from buildd.agent.progress import Standing
from buildd.cli import _board
from buildd.clock import duration
from tests.cli.conftest import Cli
from tests.patience import PATIENCE

HOSTILE = "Fix \x1b]0;owned\x07 \x1b[2J\x9b31m \u202e the \x1b[31mlogin"
ORDERS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What the terminal is told by us: to move, to clear a line, to change colours."""


def standing(**fields: object) -> Standing:
    plain = {
        "task_id": "task_1",
        "title": "Fix the login test",
        "seconds": 125.0,
        "progress": 40,
        "cost_usd": Decimal("0.42"),
        "line": "running the tests",
    }
    return Standing(**{**plain, **fields})  # type: ignore[arg-type]


def drawn(width: int, *running: Standing) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, height=50)
    console.print(_board.view(running, width), end="")
    return out.getvalue()


def test_an_attempt_is_one_line_with_what_people_ask_for() -> None:
    _, line = drawn(100, standing()).splitlines()
    for part in ("2 min", "40 %", "$0.42", "Fix the login test", "running the tests"):
        assert part in line


@pytest.mark.parametrize("width", [10, 20, 40, 60, 80, 200])
def test_a_narrow_terminal_gets_one_line_for_each_attempt(width: int) -> None:
    many = [standing(title="日本語のタイトル " * 20, line="x" * 500) for _ in range(3)]
    assert len(drawn(width, *many).splitlines()) == 4


def test_what_is_said_cannot_steer_the_terminal() -> None:
    shown = drawn(200, standing(title=HOSTILE, line=HOSTILE))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)


def test_nothing_is_drawn_when_nothing_runs() -> None:
    assert drawn(80).strip() == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (7620, "2 h 07")],
)
def test_durations_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_log_without_a_terminal_tells_of_what_takes_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "buildd")
    _board.tell([standing(), standing(seconds=59, title="Short"), standing(line="", progress=0)])
    assert caplog.messages == [
        "task_1 running for 2 min, 40 %, $0.42: Fix the login test: running the tests",
        "task_1 running for 2 min, 0 %, $0.42: Fix the login test",
    ]


class Terminal:
    """A real pseudo-terminal with an agent on it."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.seen = ""

    def until(self, condition: Callable[[str], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition(self.seen):
            assert time.monotonic() < deadline, self.seen
            self.read()

    def close(self) -> None:
        if self._master >= 0:
            os.close(self._master)
        self._master = -1

    def read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 1)
        data = b""
        if ready:
            with suppress(OSError):  # the other end was closed
                data = os.read(self._master, 65536)
        self.seen += data.decode(errors="replace")
        return bool(data) or not ready


@contextmanager
def on_a_terminal(
    cli: Cli, *flags: str, still: bool = False, **environ: str
) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    if still:
        termios.tcflow(slave, termios.TCOOFF)  # as Ctrl-S does
    agent = subprocess.Popen(
        [sys.executable, "-m", "buildd.cli.agent", "--executor=command", *flags],
        cwd=cli.directory,
        env={**cli.environ, "TERM": "xterm-256color", **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=slave,
    )
    os.close(slave)
    terminal = Terminal(master)
    try:
        yield terminal, agent
    finally:
        agent.kill()
        agent.wait()
        terminal.close()


@pytest.fixture
def office(remote: Cli) -> str:
    """A workspace, whose account's key the agent has; the id of the workspace."""
    workspace = remote.json("workspaces", "create", "shop")["id"]
    account = remote.json("accounts", "create", "laptop")
    remote.ok("accounts", "grant", account["id"], workspace)
    remote.environ["AGENT_KEY"] = account["apiKey"]
    assert isinstance(workspace, str)
    return workspace


def done(remote: Cli, task: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while remote.json("tasks", "show", task)["status"] != "completed":
        assert time.monotonic() < deadline


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_shows_what_runs_below_the_log(remote: Cli, office: str, no_color: str) -> None:
    gate = remote.directory / "gate"
    remote.ok("tasks", "create", "--workspace", office, HOSTILE)
    command = (
        'echo "$BUILDD_CONTROL progress=40"; printf "still \\033[31mhere\\n";'
        f" until test -e {gate}; do sleep 0.05; done"
    )
    key = remote.environ["AGENT_KEY"]
    flags = ("--workspace", office, f"--command={command}")
    with on_a_terminal(remote, *flags, BUILDD_API_KEY=key, NO_COLOR=no_color) as (terminal, agent):
        terminal.until(lambda seen: "40 %" in seen and "still" in seen.rpartition("40 %")[2])
        row = terminal.seen.rpartition("40 %")[2]
        assert "$0.00" in row
        assert "Fix" in row
        assert "login" in row
        gate.touch()
        terminal.until(lambda seen: "completed after" in seen)
        agent.terminate()
        agent.wait(PATIENCE)
        while terminal.read():
            pass
    ours = ORDERS.sub("", terminal.seen)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", ours)
    assert "\x1b[31m" not in terminal.seen
    assert "\x1b[2J" not in terminal.seen
    assert terminal.seen.rindex("\x1b[?25h") > terminal.seen.rindex("\x1b[?25l")
    assert ("\x1b[1m" in terminal.seen) or no_color
    assert agent.returncode == 0


def test_a_terminal_that_stands_still_holds_up_nothing(remote: Cli, office: str) -> None:
    task = remote.json("tasks", "create", "--workspace", office, "Fix it")["id"]
    key = remote.environ["AGENT_KEY"]
    flags = ("--workspace", office, "--command=true")
    with on_a_terminal(remote, *flags, still=True, BUILDD_API_KEY=key) as (_, agent):
        done(remote, task)
        agent.terminate()
        assert agent.wait(PATIENCE) == 0


def test_closing_the_terminal_hands_back_what_runs(remote: Cli, office: str) -> None:
    task = remote.json("tasks", "create", "--workspace", office, "Fix it")["id"]
    flags = ("--workspace", office, "--command=sleep 300", "--drain-timeout=0")
    key = remote.environ["AGENT_KEY"]
    with on_a_terminal(remote, *flags, BUILDD_API_KEY=key) as (terminal, agent):
        terminal.until(lambda seen: "Fix it" in seen and "TASK" in seen)
        terminal.close()
        # The kernel tells so to whom the terminal controls, which is a shell and its jobs.
        agent.send_signal(signal.SIGHUP)
        assert agent.wait(PATIENCE) == 0
    left = remote.json("tasks", "show", task)
    assert (left["status"], left["attempt"]) == ("pending", 0)


def test_a_quiet_agent_tells_nothing_while_all_is_well(remote: Cli, office: str) -> None:
    task = remote.json("tasks", "create", "--workspace", office, "Fix it")["id"]
    key = remote.environ["AGENT_KEY"]
    flags = ("--workspace", office, "--command=true", "--quiet")
    with on_a_terminal(remote, *flags, BUILDD_API_KEY=key) as (terminal, agent):
        done(remote, task)
        agent.terminate()
        agent.wait(PATIENCE)
        while terminal.read():
            pass
    assert terminal.seen == ""


def test_a_dumb_terminal_gets_lines(remote: Cli, office: str, tmp_path: Path) -> None:
    remote.ok("tasks", "create", "--workspace", office, "Fix it")
    key = remote.environ["AGENT_KEY"]
    flags = ("--workspace", office, "--command=true")
    with on_a_terminal(remote, *flags, BUILDD_API_KEY=key, TERM="dumb") as (terminal, _):
        terminal.until(lambda seen: "completed after" in seen)
    assert "\x1b" not in terminal.seen
