"""The runner does what every runner does. Needs tmux, and `pip install pytest`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from buildd_tmux import TmuxRunner
from dotenv import dotenv_values

from buildd.roles import ExternalRef
from buildd.testing.runners import RunnerSuite, Trouble, World

AGENT = """\
#!/bin/sh
[ -e ../defy ] && trap 'echo asked >> asked-to-end' TERM || trap 'touch drained; exit 0' TERM
printf '%s\\0' "$@" > argv
touch ready
while :; do [ -e exit ] && exit "$(cat exit)"; sleep 0.02; done
"""

# tmux as the runner knows it, and what can befall a call on its way there and back.
WIRE = """\
#!/bin/sh
cd "$(dirname "$0")" && [ ! -e away ] || { echo "lost server" >&2; exit 1; }
case " $* " in *" new-session "*) trouble=$(cat trouble 2>&-); rm -f trouble;; esac
[ "$trouble" = call_lost ] && { echo "lost server" >&2; exit 1; }
[ "$trouble" = twice ] && tmux "$@"
tmux "$@"; code=$?
[ "$trouble" = answer_lost ] && { echo "lost server" >&2; exit 1; }
exit $code
"""


class Tmux(World):
    """A tmux server of our own, with a script in the agent's place."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = f"test-{time.time_ns()}"
        for name, text in {"agent": AGENT, "tmux": WIRE}.items():
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)

    def tmux(self, *arguments: str) -> str:
        """Ask tmux itself, whatever is wrong with the wire."""
        argv = ["tmux", "-L", self.socket, *arguments]
        return subprocess.run(argv, check=False, capture_output=True, text=True).stdout

    def runner(self) -> TmuxRunner:
        """One that is new to this world."""
        wire, agent = str(self.directory / "tmux"), [str(self.directory / "agent")]
        return TmuxRunner(self.directory / "launches", self.socket, wire, agent)

    def place(self, order_id: str) -> Path:
        """Where the agent of an order works."""
        return self.directory / "launches" / order_id

    def processes(self) -> Iterator[psutil.Process]:
        """Our agents, and the tmux that runs them."""
        for each in psutil.process_iter():
            try:
                if {str(self.directory / "agent"), self.socket} & set(each.cmdline()):
                    yield each
            except psutil.Error:
                continue

    def agents(self, order_id: str) -> int:
        """Those that work in its place. What they fork leads no session, but looks like them at first."""
        found, place = 0, str(self.place(order_id))
        for each in self.processes():
            with suppress(psutil.Error, ProcessLookupError):
                found += each.cwd() == place and os.getsid(each.pid) == each.pid
        return found

    def never(self) -> ExternalRef:
        """A session that nobody made."""
        return ExternalRef("tmux", "lch_never", "buildd-lch_never")

    def public(self) -> Iterator[str]:
        """What `ps` shows, what the session shows, and what tmux knows."""
        for each in self.processes():
            with suppress(psutil.Error):
                yield from (*each.cmdline(), *each.environ().values())
        for name in self.tmux("list-sessions", "-F", "#{session_name}").splitlines():
            yield self.tmux("capture-pane", "-p", "-t", f"={name}:")
        yield self.tmux("show-environment", "-g")
        yield from (str(path) for path in self.directory.rglob("*"))

    def ready(self, order_id: str) -> None:
        """It minds signals now."""
        while not (self.place(order_id) / "ready").exists():
            time.sleep(0.01)

    def befall(self, trouble: Trouble) -> None:
        """On the wire."""
        if trouble not in (Trouble.CALL_LOST, Trouble.ANSWER_LOST, Trouble.TWICE):
            super().befall(trouble)
        (self.directory / "trouble").write_text(trouble.value)

    def cut_off(self) -> None:
        """The wire is cut."""
        (self.directory / "away").touch()

    def reconnect(self) -> None:
        """The wire is mended."""
        (self.directory / "away").unlink()

    def end(self, order_id: str, exit_code: int) -> None:
        """The agent looks for this file."""
        (self.place(order_id) / "new").write_text(str(exit_code))
        (self.place(order_id) / "new").rename(self.place(order_id) / "exit")
        while self.agents(order_id):
            time.sleep(0.01)

    def vanish(self, order_id: str) -> None:
        """Somebody closes the window."""
        self.tmux("kill-session", "-t", f"=buildd-{order_id}")

    def foreign(self) -> None:
        """Somebody's own session, on the same tmux."""
        self.tmux("new-session", "-d", "-s", "notes", "sleep", "600")

    def defy(self) -> None:
        """The agent looks for this file."""
        (self.directory / "launches").mkdir()
        (self.directory / "launches" / "defy").touch()

    def drained(self, order_id: str) -> bool:
        """It left a sign."""
        return (self.place(order_id) / "drained").exists()

    def asked(self, order_id: str) -> int:
        """It left a line each time."""
        told = self.place(order_id) / "asked-to-end"
        return len(told.read_text().splitlines()) if told.exists() else 0

    def key(self, order_id: str) -> str | None:
        """Among the settings."""
        return self.settings(order_id)["BUILDD_API_KEY"]

    def settings(self, order_id: str) -> dict[str, str]:
        """As `buildd-agent` would read them."""
        found = dotenv_values(self.place(order_id) / ".env", interpolate=False)
        return {name: value for name, value in found.items() if value}

    def arguments(self, order_id: str) -> tuple[str, ...]:
        """Behind those that every agent gets."""
        given = (self.place(order_id) / "argv").read_text().split("\0")[:-1]
        return tuple(given[given.index("--workspace=ws_1") + 1 :])

    def misconfigured(self) -> TmuxRunner:
        """No tmux."""
        return TmuxRunner(self.directory / "launches", self.socket, "no-such-tmux")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
class TestTmux(RunnerSuite):
    """All of the suite."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[Tmux]:
        """Made anew for each test, and gone after it."""
        made = Tmux(tmp_path)
        yield made
        made.tmux("kill-server")
