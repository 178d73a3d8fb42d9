"""The real Claude Code with `buildd mcp` and `/mcp` in its configuration, and a model that is ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from buildd.states import TaskStatus
from buildd.testing.messages import FakeModel, ModelRequest, Reply, ToolUse
from tests.mcp.conftest import Town
from tests.mcp.speaking import settings
from tests.patience import PATIENCE

pytestmark = pytest.mark.real

MODEL_KEY = "sk-ant-a-key-of-the-model"


def configuration(town: Town, door: str) -> dict[str, Any]:
    """What the how-to says, for this Python and this address."""
    if door == "stdio":
        return {"command": sys.executable, "args": ["-m", "buildd", "mcp"]}
    headers = {"Authorization": "Bearer ${BUILDD_API_KEY}"}
    return {"type": "http", "url": f"{town.url}/mcp", "headers": headers}


class Session:
    """A model that puts a task in, takes it, does it and ends it, by what the tools answered."""

    def __init__(self, workspace: str) -> None:
        self._workspace = workspace
        self._about: dict[str, str] = {}

    def __call__(self, request: ModelRequest) -> Reply:
        turn = request.turn
        if turn == 2:
            held = json.loads(request.tool_results[0])
            self._about = {"id": held["id"], "lease": held["lease"]}
        make = {"workspaceId": self._workspace, "title": "Say hello"}
        turns = [
            self._tool("create_task", make),
            self._tool("claim", {}),
            self._tool("report", {**self._about, "progress": 50, "note": "half-way"}),
            self._tool("complete", {**self._about, "result": {"said": "hello"}}),
            Reply("It is done."),
        ]
        return turns[turn]

    def _tool(self, name: str, arguments: dict[str, Any]) -> Reply:
        return Reply(tools=[ToolUse(f"mcp__buildd__{name}", arguments)])


@pytest.mark.parametrize("door", ["stdio", "http"])
def test_claude_code_itself_does_a_whole_task(town: Town, home: Path, door: str) -> None:
    config = home / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"buildd": configuration(town, door)}}))
    with FakeModel(Session(town.ours.workspace), api_key=MODEL_KEY) as model:
        environment = {
            **settings(home, town.url, town.ours.key),
            "ANTHROPIC_API_KEY": MODEL_KEY,
            "ANTHROPIC_BASE_URL": model.url,
            "CLAUDE_CONFIG_DIR": str(home / "claude"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        done = subprocess.run(
            [
                _claude(),
                "--print",
                "Do a task from buildd.",
                f"--mcp-config={config}",
                "--strict-mcp-config",
                "--allowedTools=mcp__buildd",
                "--output-format=json",
            ],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        asked = model.requests
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["result"] == "It is done."
    [task] = town.owner.tasks.list()
    assert (task.status, task.result) == (TaskStatus.COMPLETED, {"said": "hello"})
    worker = town.worker(task)
    assert worker.account_id == town.ours.account
    said = [each.content for each in town.owner.messages.list(worker_id=worker.id)]
    assert "half-way" in said
    assert not any(town.ours.key in request for request in asked)


def _claude() -> str:
    spec = find_spec("claude_agent_sdk")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "_bundled" / "claude"
    assert os.access(program, os.X_OK)
    return str(program)
