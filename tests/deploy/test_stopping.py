"""SIGTERM, as `systemctl stop` and `docker stop` send it, while clients stream, wait and upload."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic

import httpx2
import pytest

from tests.deploy.processes import ADMIN_KEY, Server, crew
from tests.deploy.test_shipped_files import one
from tests.patience import PATIENCE

STOP_SECONDS = 10.0
"""What `docker stop` waits before it kills; the server takes a second or two."""


class Client:
    """One that is in the middle of something, and knows it."""

    def __init__(self, url: str, key: str) -> None:
        self.under_way = threading.Event()
        self.http = httpx2.Client(
            base_url=url,
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
            trust_env=False,
            timeout=60,
        )
        self._stopped = threading.Event()

    def listen(self) -> str:
        """All of a stream, which ends well."""
        with self.http.sse("/api/events?after=0") as events:
            for _ in events:
                self.under_way.set()
        return "ended"

    def claim(self) -> str:
        """What a claim is answered that finds nothing."""
        self.under_way.set()
        with suppress(httpx2.HTTPError):
            answer = self.http.post("/api/workers/claim", content=b'{"waitSeconds": 60}')
            return f"{answer.status_code}"
        return "cut off"

    def upload(self, worker: str) -> str:
        """What becomes of a file that never ends."""
        with suppress(httpx2.HTTPError):
            path = f"/api/workers/{worker}/artifacts/content"
            return str(self.http.post(path, content=self._pieces()).status_code)
        return "cut off"

    def _pieces(self) -> Iterator[bytes]:
        yield bytes(500_000)
        self.under_way.set()
        self._stopped.wait(60)
        yield b"the end"

    def stop(self) -> None:
        self._stopped.set()
        self.http.close()


def healthy(port: int) -> bool:
    """What the container's health check says."""
    program, flag, code = json.loads(one("HEALTHCHECK").partition("CMD ")[2])
    mended = code.replace("3000", str(port))
    return subprocess.run([program, flag, mended], capture_output=True, check=False).returncode == 0


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd listens to its services."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(PATIENCE)
        yield told


def test_a_stop_is_over_long_before_docker_would_kill(
    sqlite_url: str, tmp_path: Path, told: socket.socket
) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000"}
    with (
        ThreadPoolExecutor(3) as pool,
        Server(sqlite_url, tmp_path, environ) as server,
        server.owner() as bd,
    ):
        assert {told.recv(100), told.recv(100)} == {b"READY=1", b"WATCHDOG=1"}
        assert healthy(server.port)
        team = crew(bd)
        task = bd.tasks.create(workspace_id=team.workspace, title="x")
        [claimed] = bd.with_key(team.key).workers.claim(task_id=task.id).workers
        keys = (ADMIN_KEY, team.key, claimed.lease.token)
        listener, agent, sender = clients = [Client(server.url, key) for key in keys]
        streamed = pool.submit(listener.listen)
        waited = pool.submit(agent.claim)
        sent = pool.submit(sender.upload, claimed.id)
        for each in clients:
            assert each.under_way.wait(PATIENCE)
        began = monotonic()
        assert server.stop() == 0
        assert monotonic() - began < STOP_SECONDS
        for each in clients:
            each.stop()
        assert streamed.result() == "ended"
        assert waited.result() in {"503", "cut off"}
        assert sent.result() == "cut off"
        assert not [line for line in server.said if "Traceback" in line], server.said
        assert not healthy(server.port)
    heard = {told.recv(100)}
    while b"STOPPING=1" not in heard:
        heard.add(told.recv(100))
    assert heard <= {b"WATCHDOG=1", b"STOPPING=1"}
    assert not [each for each in (tmp_path / "blobs").rglob("*") if each.is_file()]
