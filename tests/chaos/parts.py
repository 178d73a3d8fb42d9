"""The parts of an installation that can be killed and brought back: servers, agents, Postgres."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.postgres import SETTINGS, Postgres

ADMIN_KEY = "the-key-of-the-chaos-campaign"
_PATIENCE = 60.0


def _environment(**more: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD_", "DATABASE_"))}
    return {**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **more}


@dataclass
class ServerProcess:
    """A real `buildd server` on a port of its own."""

    database: str
    ttl: float
    log: Path
    port: int = 0
    recoveries: list[float] = field(default_factory=list)
    """Seconds from each kill to the next answer."""
    process: subprocess.Popen[bytes] | None = None
    _recovery: threading.Thread | None = None

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, without waiting."""
        arguments = ["--port", str(self.port), "--database", self.database]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "buildd_server", *arguments],
                env=_environment(
                    BUILDD_ADMIN_KEY=ADMIN_KEY,
                    BUILDD_LEASE_TTL=str(self.ttl),
                    BUILDD_RATE_LIMIT="0",
                ),
                cwd=self.log.parent,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def wait_ready(self) -> None:
        """Wait until it answers, database and all."""
        patience = time.monotonic() + _PATIENCE
        while time.monotonic() < patience:
            with suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.url}/ready", trust_env=False).is_success:
                    return
            time.sleep(0.02)
        raise SystemExit(f"a server did not come back; see {self.log}")

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def strike(self) -> None:
        """Kill -9 and start again, without waiting; first let it recover from the last time."""
        self.wait_recovered()
        self._recovery = threading.Thread(target=self._recover)
        self._recovery.start()

    def wait_recovered(self) -> None:
        """Wait until it answers again."""
        if self._recovery is not None:
            self._recovery.join()

    def _recover(self) -> None:
        began = time.monotonic()
        self.kill()
        self.start()
        self.wait_ready()
        self.recoveries.append(time.monotonic() - began)


@dataclass
class AgentProcess:
    """A process with several agents."""

    config: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    deaths: list[tuple[int, float]] = field(default_factory=list)
    """Process ids with the moments at which they were killed."""

    def start(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.agents"],
            env=_environment(),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(self.config).encode())
            self.process.stdin.close()

    def kill(self) -> None:
        """Kill -9."""
        assert self.process is not None
        self.deaths.append((self.process.pid, time.time()))
        self.retire()

    def retire(self) -> None:
        """End it when everything is over."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """SIGSTOP: it does not know that time passes."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


class MortalPostgres(Postgres):
    """A Postgres that can be killed with everything it has started."""

    def kill(self) -> None:
        """Kill -9, all of it."""
        master = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        master.suspend()  # so that it starts nothing more
        family = [master, *master.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        while any(_lives(each) for each in family):
            time.sleep(0.01)
        # Where nobody reaps orphans, a zombie still looks to Postgres like another server.
        for lock in (self._data / "postmaster.pid", *self._data.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)

    def start(self) -> None:
        """Start again, and recover."""
        settings = {**SETTINGS, "unix_socket_directories": str(self._data)}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", f"--log={self._data}/log", f"--options={options}")


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
