"""The demo's processes: kept running whatever is killed, and all gone when the demo ends.

A demo that is killed itself cannot end anything, so it writes down what it started; the next one
stops what it finds of that.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL

import psutil

from buildd.errors import ConfigError, Unavailable

RECORD = "processes.json"
STOP_SECONDS = 5.0
PATIENCE = 5
"""How often one process may end by itself before the demo gives up."""


@dataclass(eq=False)
class Part:
    """One program of the demo."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: psutil.Popen | None = None
    ends: int = 0


class Processes:
    """Starts the parts, starts them again when they die, and stops them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._logs = directory / "logs"
        self._logs.mkdir(exist_ok=True)
        self._record = directory / RECORD
        self._parts: list[Part] = []

    def start(self, part: Part) -> None:
        """Start a part, and remember it for good."""
        if part not in self._parts:
            self._parts.append(part)
        with self._log(part).open("ab") as log:
            part.process = psutil.Popen(
                part.command,
                cwd=self._directory,
                env={**_clean(os.environ), **part.environment},
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches the demo alone, which ends the others in the right order.
                start_new_session=True,
            )
        self._write_record()

    def restart_dead(self) -> Iterator[Part]:
        """Start again whatever ended. Raises `Unavailable` where that does not help."""
        for part in self._parts:
            if part.process is None or part.process.poll() is None:
                continue
            part.ends += 1
            if part.ends > PATIENCE:
                raise Unavailable(f"{part.name} keeps ending: {self.last_words(part)}")
            self.start(part)
            yield part

    def last_words(self, part: Part) -> str:
        """The last line that a part wrote."""
        lines = self._log(part).read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def stop(self) -> None:
        """End the parts, the last one started first."""
        while self._parts:
            process = self._parts.pop().process
            if process is not None:
                _end(process)
        self._record.unlink(missing_ok=True)

    def _log(self, part: Part) -> Path:
        return self._logs / f"{part.name}.log"

    def _write_record(self) -> None:
        known = [
            {"name": part.name, "pid": part.process.pid, "at": part.process.create_time()}
            for part in self._parts
            if part.process and part.process.is_running()
        ]
        fresh = self._record.with_suffix(".new")
        fresh.write_text(json.dumps(known))
        fresh.replace(self._record)


def stop_leftovers(directory: Path) -> None:
    """Stop what a demo that was killed has left running in its directory."""
    record = directory / RECORD
    if not record.exists():
        return
    found = []
    for known in json.loads(record.read_text()):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(known["pid"])
            if process.create_time() == known["at"]:
                found.append(process)
    # The server last, so that the agents can hand back what they hold.
    for process in reversed(found):
        _end(process)
    record.unlink()


def _end(process: psutil.Process) -> None:
    """Ask it to end, and insist after a while."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        if psutil.wait_procs([process], STOP_SECONDS)[1]:
            process.kill()
            process.wait()


def program(name: str) -> str:
    """The installed command of this Python, whatever is on the path."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise ConfigError(f"{name} is not installed beside {sys.executable}")
    return str(path)


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings that are meant for another server, repository or run."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(("BUILDD_", "GIT_", "GITHUB_"))
    }
