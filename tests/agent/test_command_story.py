"""A program fixes a failing test in a real repository, and asks a person how."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest

import buildd
from buildd.models import Role
from buildd.states import TaskStatus
from buildd.testing.messages import FakeModel, Fault, ModelRequest, Reply, ToolUse
from buildd.testing.messages.script import Turn
from buildd_runners.command import CommandExecutor
from tests.agent.office import Office, git
from tests.agent.test_agent_process import Agents, agents
from tests.agent.test_command import execute
from tests.agent.test_local_api import person
from tests.patience import until

__all__ = ["agents"]  # a fixture

WRONG = "def price(cents):\n    return cents // 100\n"
PROOF = "from price import price\nassert price(150) == 2, price(150)\nprint('all is well')\n"
FIX = "sed -i 's|cents // 100|-(-cents // 100)|' price.py"
QUESTION = 'buildd agent ask "Round up or down?" --option up --option down'


@pytest.fixture(autouse=True)
def failing_test(repository: Path) -> None:
    (repository / ".gitignore").write_text("__pycache__\n")
    (repository / "price.py").write_text(WRONG)
    (repository / "proof.py").write_text(PROOF)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=a price")


def is_fixed(repository: Path, branch: str, at: Path) -> bool:
    """Whether the test passes on the branch."""
    git(repository, "worktree", "add", "--quiet", str(at), branch)
    done = subprocess.run([sys.executable, "proof.py"], cwd=at, check=False, capture_output=True)
    return done.returncode == 0


def test_a_program_fixes_a_test_and_is_answered_over_http(
    agents: Agents, repository: Path, tmp_path: Path
) -> None:
    office = agents.office
    script = tmp_path / "solve.sh"
    script.write_text(
        f"""set -eu
        {sys.executable} proof.py && exit 9
        answer=$({QUESTION})
        test "$answer" = up && {FIX}
        {sys.executable} proof.py
        git commit --quiet --all --message "Round $answer"
        buildd agent report --progress 100 --cost 0.25 --turns 4
        echo '{{"rounded": "'$answer'"}}' > $BUILDD_RESULT_FILE
        """
    )
    task = office.task("Make proof.py pass", description="Somebody knows how to round.")

    def answer() -> None:
        with buildd.connect(agents.address, api_key=office.key) as bd:
            for event in bd.events(after=0, types=[buildd.EventType.WORKER_WAITING]):
                assert event.worker_id is not None
                bd.workers.answer(id=event.worker_id, content="up")
                return

    somebody = threading.Thread(target=answer)
    somebody.start()
    agent = agents.start(f"sh {script}")
    until(lambda: office.read(task).status is TaskStatus.COMPLETED)
    somebody.join()
    agent.terminate()
    assert agents.end(agent)[0] == 0

    worker, result = office.worker(task), office.read(task).result
    assert result is not None
    assert (result["rounded"], result["exitCode"], result["filesChanged"]) == ("up", 0, 1)
    assert (worker.cost_usd, worker.turns) == (Decimal("0.25"), 4)
    assert git(repository, "log", "-1", "--format=%s", worker.branch) == "Round up"
    assert is_fixed(repository, worker.branch, tmp_path / "look")
    shown = office.artifacts(worker)
    assert "-(-cents // 100)" in (shown["diff"].content or "")
    assert "all is well" in (shown["summary"].content or "")


@pytest.mark.real
@pytest.mark.skipif(shutil.which("opencode") is None, reason="opencode is not installed")
def test_opencode_fixes_a_test_by_its_template(
    office: Office, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [f"{sys.executable} proof.py", QUESTION, FIX, "git commit -qam 'Round up'"]

    def script(request: ModelRequest) -> Turn:
        if not request.tools:
            return Reply("A title")
        if request.turn > len(steps):
            return Fault(400, "all is said")
        if request.turn == len(steps):
            return Reply("It rounds up now.")
        use = {"command": steps[request.turn], "description": "a step"}
        return Reply(tools=[ToolUse("bash", use)])

    with FakeModel(script) as model, person(office, "up") as asked:
        provider = {"anthropic": {"options": {"baseURL": f"{model.url}/v1"}}}
        config = {"provider": provider, "autoupdate": False, "share": "disabled"}
        monkeypatch.setenv("OPENCODE_CONFIG_CONTENT", json.dumps(config))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-nobody-may-see-this-key-0123456789")
        monkeypatch.setenv("PATH", os.environ["PATH"])
        task = office.task("Make proof.py pass")
        settings = {"template": "opencode", "model": "anthropic/claude-sonnet-4-5"}
        execute(office, CommandExecutor.from_config(settings))
    worker = office.worker(task)
    assert office.read(task).status is TaskStatus.COMPLETED, worker.error
    assert asked == ["Round up or down?"]
    assert worker.turns == len(steps) + 1
    assert worker.cost_usd > 0
    assert git(repository, "log", "-1", "--format=%s", worker.branch) == "Round up"
    assert is_fixed(repository, worker.branch, tmp_path / "look")
    listed = office.owner.messages.list(worker_id=worker.id, limit=200)[::-1]
    assert [m.tool_name for m in listed if m.role is Role.TOOL] == ["bash"] * len(steps)
    assert listed[-1].content == "It rounds up now."
    assert not any("nobody-may-see" in str(message) for message in listed)
