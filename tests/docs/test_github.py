"""The GitHub example, against a far end that answers as GitHub's API does, over real HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from buildd import Client, connect
from buildd.broker import Broker
from tests.conftest import serving
from tests.far_end import Answer, Asked, FarEnd

SCRIPT = Path(__file__).parents[2] / "examples" / "github" / "dispatch.py"


class GitHub(FarEnd):
    """`GET /repos/{owner}/{repo}` and `POST …/dispatches`, which answers 204 and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.received: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def respond(self, asked: Asked) -> Answer:
        if asked.method == "GET":
            return Answer(200, {"full_name": asked.path[7:], "url": self.url + asked.path})
        assert asked.headers["Authorization"].endswith("a-token")
        self.received.put({"path": asked.path, **asked.body})
        return Answer(204)


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as far_end:
        yield far_end


def test_a_task_for_actions_starts_the_workflow(github: GitHub, sqlite_url: str) -> None:
    broker = Broker.open(sqlite_url)
    with serving(broker) as address, connect(address) as bd:
        environment = {
            "PATH": os.environ["PATH"],
            "BUILDD_SERVER": address,
            "GITHUB_API_URL": github.url,
            "GITHUB_TOKEN": "a-token",
        }
        script = subprocess.Popen(
            [sys.executable, SCRIPT, "my-org/my-repo"], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            workspace = bd.workspaces.create(name="shop")
            asked = _until_dispatched(bd, workspace.id, script, github)
        finally:
            script.kill()
            script.wait()
    broker.close()
    sent = github.received.get_nowait()
    assert sent["path"] == "/repos/my-org/my-repo/dispatches"
    assert sent["event_type"] == "buildd-task"
    assert sent["client_payload"]["task_id"] in asked


def _until_dispatched(
    bd: Client, workspace_id: str, script: subprocess.Popen[bytes], github: GitHub
) -> set[str]:
    """Tasks until the script listens: it hears only what comes after it began."""
    asked: set[str] = set()
    waiting = threading.Event()
    while github.received.empty():
        assert script.poll() is None, "the example ended"
        bd.tasks.create(workspace_id=workspace_id, title="for a person", runner_preference="user")
        task = bd.tasks.create(
            workspace_id=workspace_id, title="deploy", runner_preference="action"
        )
        asked.add(task.id)
        waiting.wait(0.2)
    return asked
