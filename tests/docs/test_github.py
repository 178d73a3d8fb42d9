"""The GitHub example, against a far end that answers as GitHub's API does, over real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from buildd import Client, connect
from buildd.broker import Broker
from tests.conftest import serving

SCRIPT = Path(__file__).parents[2] / "examples" / "github" / "dispatch.py"


class GitHub(BaseHTTPRequestHandler):
    """`GET /repos/{owner}/{repo}` and `POST …/dispatches`, which answers 204 and nothing else."""

    received: SimpleQueue[dict[str, Any]]

    def do_GET(self) -> None:
        address = f"http://{self.headers['Host']}{self.path}"
        self._send(200, json.dumps({"full_name": self.path[7:], "url": address}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Authorization"].endswith("a-token")
        self.received.put({"path": self.path, **json.loads(body)})
        self._send(204, b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def github() -> Iterator[str]:
    GitHub.received = SimpleQueue()
    with ThreadingHTTPServer(("127.0.0.1", 0), GitHub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_task_for_actions_starts_the_workflow(github: str, sqlite_url: str) -> None:
    broker = Broker.open(sqlite_url)
    with serving(broker) as address, connect(address) as bd:
        environment = {
            "PATH": os.environ["PATH"],
            "BUILDD_SERVER": address,
            "GITHUB_API_URL": github,
            "GITHUB_TOKEN": "a-token",
        }
        script = subprocess.Popen(
            [sys.executable, SCRIPT, "my-org/my-repo"], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            workspace = bd.workspaces.create(name="shop")
            asked = _until_dispatched(bd, workspace.id, script)
        finally:
            script.kill()
            script.wait()
    broker.close()
    sent = GitHub.received.get_nowait()
    assert sent["path"] == "/repos/my-org/my-repo/dispatches"
    assert sent["event_type"] == "buildd-task"
    assert sent["client_payload"]["task_id"] in asked


def _until_dispatched(bd: Client, workspace_id: str, script: subprocess.Popen[bytes]) -> set[str]:
    """Tasks until the script listens: it hears only what comes after it began."""
    asked: set[str] = set()
    waiting = threading.Event()
    while GitHub.received.empty():
        assert script.poll() is None, "the example ended"
        bd.tasks.create(workspace_id=workspace_id, title="for a person", runner_preference="user")
        task = bd.tasks.create(
            workspace_id=workspace_id, title="deploy", runner_preference="action"
        )
        asked.add(task.id)
        waiting.wait(0.2)
    return asked
