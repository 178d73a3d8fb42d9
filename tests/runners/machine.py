"""This machine as the world of the `local` runner, with a script in the place of the agent."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from buildd.cli import _config
from buildd.errors import Unreachable
from buildd.roles import ExternalRef, LaunchOrder
from buildd.testing.runners import Trouble, World
from buildd_runners import local
from buildd_runners.local import LocalRunner

AGENT = """\
#!/bin/sh
if [ -e ../../defy ]; then trap 'echo asked >> asked-to-end' TERM; else trap 'touch drained; exit 0' TERM; fi
echo started >> starts
printf '%s\\0' "$@" > argv
setsid sleep 600 &
touch ready
while :; do [ -e exit ] && exit "$(cat exit)"; sleep 0.02; done
"""


class Dying(LocalRunner):
    """A runner whose process dies before a call is made, or before it has written down its outcome."""

    def __init__(self, state: Path, world: Machine) -> None:
        super().__init__(state)
        self._world = world

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        trouble = self._world.trouble()
        if trouble is Trouble.CALL_LOST:
            raise Unreachable
        ref = await super().ensure(order)
        if trouble is Trouble.ANSWER_LOST:
            (self._directory(order.id) / "process").unlink()
            raise Unreachable
        return ref

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        trouble = self._world.trouble()
        if trouble is not Trouble.CALL_LOST:
            await super().stop(ref, grace)
        if trouble is not None:
            raise Unreachable


class Machine(World):
    """Processes, files, and what `ps` shows to everybody."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.program = directory / "agent"
        self.program.write_text(AGENT)
        self.program.chmod(0o755)
        self._patch = monkeypatch
        self._patch.setattr(sys, "executable", str(self.program))
        self._children: list[dict[str, subprocess.Popen[bytes]]] = []
        self._trouble: Trouble | None = None

    def close(self) -> None:
        """End whatever was started here."""
        for each in self.processes():
            with contextlib.suppress(psutil.Error):
                each.kill()
        for children in self._children:
            for child in children.values():
                child.wait()

    def runner(self) -> Dying:
        """As in a new process, which is nobody's parent."""
        self._children.append({})
        self._patch.setattr(local, "_children", self._children[-1])
        return Dying(self.directory / "state", self)

    def launch(self, order_id: str) -> Path:
        return self.directory / "state" / "launches" / order_id

    def agents(self, order_id: str) -> int:
        return sum(self._is_agent(each) for each in self.processes(order_id))

    def _is_agent(self, each: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error, OSError):
            # In this order: what it starts leads a session only after it has another command line.
            return os.getsid(each.pid) == each.pid and str(self.program) in each.cmdline()
        return False

    def processes(self, order_id: str | None = None) -> Iterator[psutil.Process]:
        """Everything that an agent of an order, or of any, started, and itself."""
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                mark = each.environ().get(local._MARK)
                wanted = mark if order_id is None else str(self.launch(order_id))
                if each.cwd().startswith(f"{self.directory}/") and mark == wanted:
                    yield each

    def never(self) -> ExternalRef:
        return ExternalRef("local", "lch_never", f"{os.getpid()}@12345.00")

    def public(self) -> Iterator[str]:
        for each in self.processes():
            with contextlib.suppress(psutil.Error):
                yield from (*each.cmdline(), *map(str, each.environ().items()))
        for path in (self.directory / "state").rglob("*"):
            yield str(path)
            if path.is_file() and path.stat().st_mode & 0o077:
                yield path.read_text()

    def ready(self, order_id: str) -> None:
        while not (self.launch(order_id) / "ready").exists():
            time.sleep(0.01)

    def befall(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.REFUSED:
                self._patch.setattr(sys, "executable", str(self.directory / "nothing"))
            case Trouble.CALL_LOST | Trouble.ANSWER_LOST:
                self._trouble = trouble
            case _:
                super().befall(trouble)

    def trouble(self) -> Trouble | None:
        found, self._trouble = self._trouble, None
        return found

    def end(self, order_id: str, exit_code: int) -> None:
        (self.launch(order_id) / "exit.new").write_text(str(exit_code))
        (self.launch(order_id) / "exit.new").rename(self.launch(order_id) / "exit")
        while self.agents(order_id):
            time.sleep(0.01)

    def vanish(self, order_id: str) -> None:
        for each in self.processes(order_id):
            each.send_signal(signal.SIGKILL)
        shutil.rmtree(self.launch(order_id))

    def foreign(self) -> None:
        other = self.directory / "state" / "elsewhere" / "launches" / "lch_other"
        other.mkdir(parents=True)
        environment = {local._MARK: str(other), "PATH": os.environ["PATH"]}
        started = subprocess.Popen(
            [self.program], cwd=other, env=environment, start_new_session=True
        )
        self._children.append({"lch_other": started})
        (self.directory / "state" / "launches" / "notes").mkdir(parents=True)

    def defy(self) -> None:
        (self.directory / "state").mkdir()
        (self.directory / "state" / "defy").touch()

    def drained(self, order_id: str) -> bool:
        return (self.launch(order_id) / "drained").exists()

    def asked(self, order_id: str) -> int:
        told = self.launch(order_id) / "asked-to-end"
        return len(told.read_text().splitlines()) if told.exists() else 0

    def key(self, order_id: str) -> str | None:
        return _config.load({}, self.launch(order_id)).get("api_key")

    def settings(self, order_id: str) -> Mapping[str, str]:
        """As the agent reads them, which this script is not."""
        [agent] = filter(self._is_agent, self.processes(order_id))
        return _config.load(agent.environ(), self.launch(order_id)).passed_on

    def arguments(self, order_id: str) -> tuple[str, ...]:
        given = (self.launch(order_id) / "argv").read_text().split("\0")[:-1]
        return tuple(given[given.index("--workspace=ws_1") + 1 :])

    def misconfigured(self) -> LocalRunner:
        (self.directory / "file").touch()
        return LocalRunner(self.directory / "file")
