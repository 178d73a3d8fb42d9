"""The whole story of the `claude` executor with real processes: an agent, a server and a model over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import buildd
from buildd.states import LIVE, TaskStatus
from buildd.testing.messages import FakeModel, ModelRequest, Reply, ToolUse
from tests.agent.office import Office, git
from tests.agent.test_agent_process import Agents, serving
from tests.patience import until
from tests.runners.studio import KEY, bash

TEST = "import shop, unittest\nclass Shop(unittest.TestCase):\n    def test_it(self):\n        "
TEST += "self.assertEqual(shop.total([1, 2]), 3)\nunittest.main()\n"
RUN = f"{sys.executable} -B -W error test_shop.py"


@pytest.fixture
def agents(office: Office, tmp_path: Path) -> Iterator[Agents]:
    with (
        serving(office.broker) as port,
        Agents(office, f"http://127.0.0.1:{port}", tmp_path) as made,
    ):
        yield made


def start(agents: Agents, model: FakeModel) -> subprocess.Popen[str]:
    """The seed's own line."""
    office = agents.office
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD", "GITHUB"))}
    line = ["--workspace", office.workspace_id, "--max-tasks", "3"]
    agent = subprocess.Popen(
        [sys.executable, "-m", "buildd.cli.agent", *line],
        cwd=agents.cwd,
        env={
            **inherited,
            "XDG_STATE_HOME": str(office.state),
            "BUILDD_SERVER": agents.address,
            "BUILDD_API_KEY": office.key,
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": model.url,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    agents.running.append(agent)
    return agent


def fix(request: ModelRequest) -> Reply:
    """What a model does that runs the test, asks, mends the fault, and runs the test again."""
    results = request.tool_results
    match request.turn:
        case 0:
            return Reply("I run the test.", [bash(RUN), bash("env; cat /proc/self/environ")])
        case 1:
            assert "FAILED (failures=1)" in results[0]
            question = {"question": "May I use sum()?", "options": ["yes", "no"]}
            return Reply(tools=[ToolUse("ask", question)])
        case 2:
            assert results == ["yes"]
            edit = {"file_path": "shop.py", "old_string": "max(", "new_string": "sum("}
            return Reply("I use it.", [ToolUse("edit", edit), bash(RUN)])
        case _:
            assert results[1].rstrip().endswith("OK")
            return Reply("total() took the largest price; now it adds. The test passes.")


def test_it_fixes_a_failing_test_and_asks_once(agents: Agents, repository: Path) -> None:
    office = agents.office
    (repository / "shop.py").write_text("def total(prices):\n    return max(prices)\n")
    (repository / "test_shop.py").write_text(TEST)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=a shop with a fault")
    with FakeModel(fix, api_key=KEY) as model, buildd.connect(agents.address) as person:
        agent = start(agents, model)
        task = office.task("Fix the total", description="test_shop.py fails")
        until(lambda: [each.status for each in person.workers.list()] == ["waiting_input"])
        [asking] = person.workers.list()
        assert asking.waiting_for is not None
        assert asking.waiting_for.options == ["yes", "no"]
        person.workers.answer(id=asking.id, content="yes")
        until(lambda: office.worker(task).status not in LIVE)
        agent.terminate()
        code, told = agents.end(agent)
    done, worker = office.read(task), office.worker(task)
    assert done.status is TaskStatus.COMPLETED, worker.error
    assert code == 0
    shown = office.artifacts(worker)
    assert "+    return sum(prices)" in (shown["diff"].content or "")
    assert "now it adds" in (shown["summary"].content or "")
    assert worker.turns == len(model.requests) == 4
    assert worker.cost_usd == Decimal("0.0032")
    assert "sum(" in git(repository, "show", f"{worker.branch}:shop.py")
    assert done.result is not None
    assert len(done.result["commits"]) == 1  # type: ignore[arg-type]
    everything = told + office.said(worker) + str([each.body for each in model.requests])
    assert KEY not in everything
    assert office.key not in everything


LIGHT = """
import sys
from buildd import plugins
plugins.load().executors.make("claude", {})
sys.exit(any(name in sys.modules for name in ("anthropic", "httpx2")))
"""


def test_an_agent_that_waits_for_work_has_not_loaded_the_sdk() -> None:
    environ = {"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": KEY}
    subprocess.run([sys.executable, "-c", LIGHT], env=environ, check=True)
