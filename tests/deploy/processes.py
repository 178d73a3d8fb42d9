"""An installation's real processes, started as its operator starts them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Self

import buildd
from buildd.errors import BuilddError
from tests.patience import PATIENCE

ADMIN_KEY = "the-key-of-the-administrator"
_ADDRESS = re.compile(r"http://\S+:(\d+)")


def environment(**more: str) -> dict[str, str]:
    """This process's, with nothing of buildd's but what is given."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD_", "DATABASE_"))}
    return {**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **more}


@dataclass
class Server:
    """`buildd server`, which gets the same port again when it is started again."""

    database: str
    directory: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = 0
    said: list[str] = field(default_factory=list)
    """What it has written to stderr."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "buildd_server", "--port", str(self.port)],
            cwd=self.directory,
            env=environment(
                BUILDD_ADMIN_KEY=ADMIN_KEY,
                BUILDD_BLOBS=str(self.directory / "blobs"),
                BUILDD_DATABASE=self.database,
                **self.environ,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=[self.process])
        self._reader.start()
        found = _ADDRESS.search(self.process.stdout.readline())
        assert found, self.said
        self.port = int(found[1])

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.said.extend(process.stderr)

    def stop(self) -> int:
        """SIGTERM, as systemd and Docker do; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self._close()
        return code

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        self._reader.join()
        for each in (self.process.stdout, self.process.stderr):
            if each is not None:
                each.close()

    def owner(self) -> buildd.Client:
        """The administrator."""
        return buildd.connect(self.url, api_key=ADMIN_KEY)


@dataclass
class Crew:
    """A workspace, and an account that works in it."""

    workspace: str
    account: str
    key: str


def crew(bd: buildd.Client, slots: int = 3) -> Crew:
    workspace = bd.workspaces.create(name="shop")
    account = bd.accounts.create(type="service", name="Max", max_concurrent_workers=slots)
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    return Crew(workspace.id, account.id, account.api_key)


class Agents:
    """Threads that claim, report and complete at any of some servers, until they are told to end."""

    def __init__(self, urls: list[str], key: str, count: int = 3) -> None:
        self.completed: list[str] = []
        self._urls = urls
        self._key = key
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[each]) for each in range(count)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        for each in self._threads:
            each.join()

    def _run(self, number: int) -> None:
        with ExitStack() as held:
            servers = [
                held.enter_context(buildd.connect(url, api_key=self._key)) for url in self._urls
            ]
            for server in cycle(servers[number % len(servers) :] + servers):
                if self._ended.is_set():
                    return
                try:
                    self._work(server)
                except BuilddError:  # of a server that is away; the lease ends by itself
                    self._ended.wait(0.1)

    def _work(self, bd: buildd.Client) -> None:
        for claimed in bd.workers.claim(wait_seconds=1).workers:
            lease = bd.with_key(claimed.lease.token)
            lease.workers.start(id=claimed.id)
            lease.workers.heartbeat(id=claimed.id, progress=50)
            lease.artifacts.upload(os.urandom(2000), worker_id=claimed.id)
            lease.workers.complete(id=claimed.id)
            self.completed.append(claimed.task.id)
