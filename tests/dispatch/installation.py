"""A whole installation: a real server process with a pool, whose runner starts real agents somewhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx2
import psutil

from buildd import connect
from buildd.broker import Pace
from buildd.client import Client
from buildd.models import Launch, Task
from tests.patience import PATIENCE, until

ADMIN_KEY = "the-key-of-the-dispatch-tests"


class Installation:
    """One server process at a time, on one database; it can be killed and started anew."""

    def __init__(self, directory: Path, database: str, environment: Mapping[str, str]) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "server.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._argv = [sys.executable, "-m", "buildd_server", f"--port={self.port}"]
        self._argv.append(f"--database={database}")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD_", "DATABASE_"))}
        self._environment = {
            **kept,
            "HOME": str(directory),
            "XDG_STATE_HOME": str(directory / "state"),
            "BUILDD_ADMIN_KEY": ADMIN_KEY,
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.bd: Client = connect(self.url, api_key=ADMIN_KEY)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)
        self.bd.close()
        for each in self.agents():
            with suppress(psutil.Error):
                each.kill()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, cwd=self.directory, env=self._environment, stdout=log, stderr=log
            )
        until(self._answers)

    def end(self, how: signal.Signals) -> None:
        """Send the server a signal, and wait until it is gone. What it started lives on."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def has_died(self) -> bool:
        """Whether the server ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def agents(self) -> list[psutil.Process]:
        """The agent processes that were started here, by whichever life of the server."""
        found = []
        for each in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                ours = each.environ().get("HOME", "").startswith(str(self.directory))
                if ours and "buildd.cli.agent" in each.cmdline() and each.status() != "zombie":
                    found.append(each)
        return found

    def pool(self, runner: str, config: dict[str, Any], *flags: str, **more: Any) -> str:
        """A workspace, an account and a pool; gives the workspace's id."""
        account_type = {"coder": "user"}.get(runner, "service")
        account = self.bd.accounts.create(
            type=account_type, name=runner, max_concurrent_workers=more.get("maximum", 1)
        )
        workspace = self.bd.workspaces.create(name="shop")
        self.bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
        self.bd.pools.create(
            name=runner,
            account_id=account.id,
            runner=runner,
            config=config,
            arguments=["--executor=command", *(flags or ["--command=true"])],
            **more,
        )
        return workspace.id

    def said(self) -> str:
        """What the agents said that were started on this machine."""
        logs = self.directory.glob("state/buildd/launches/*/log")
        return "".join(log.read_text() for log in logs)

    def quiet(self) -> list[Launch]:
        """All launches, when none is open any more; a turn that died with its server holds one up."""
        until(lambda: not self.bd.launches.list(open=True), Pace.turn + PATIENCE)
        return self.bd.launches.list(limit=200)

    def seconds_to_work(self, task: Task) -> float:
        """From the creation of a task to its agent at work."""
        [worker] = self.bd.workers.list(task_id=task.id)
        assert worker.started_at is not None
        return (worker.started_at - task.created_at).total_seconds()

    def _answers(self) -> bool:
        assert not self.has_died(), self.log.read_text()
        with suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/ready", trust_env=False).is_success
        return False


@contextmanager
def open_installation(
    directory: Path, database: str | None = None, **environment: str
) -> Iterator[Installation]:
    """A server at work."""
    with Installation(
        directory, database or f"sqlite:///{directory}/buildd.db", environment
    ) as made:
        yield made
