"""Known programs by their templates: stand-ins that print what the real ones once printed."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from buildd.errors import ConfigError
from buildd.models import Role
from buildd.states import TaskStatus
from buildd_runners.command import CommandExecutor
from tests.agent.office import Office, git
from tests.agent.test_command import HOSTILE, execute

STRANGE = ("-1", "NaN", "1e400", "1e300", "1e20", '"5"', "true", "null", "0.5")
"""What may stand where a cost should; only the last is one."""
RECORDED = Path(__file__).parent / "recorded"

StandIn = Callable[[str, str], None]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Puts a small program of some name where the PATH finds it first."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")

    def put(name: str, script: str) -> None:
        (directory / name).write_text(f"#!/bin/sh\n{script}")
        (directory / name).chmod(0o755)

    return put


class Recorded(NamedTuple):
    """What a program printed once, and what is to be made of it."""

    name: str
    arguments: str
    said: list[str]
    cost: str
    turns: int


@pytest.mark.parametrize(
    "recorded",
    [
        Recorded(
            "codex",
            "exec --json --sandbox workspace-write -c sandbox_workspace_write.network_access=true -",
            ["I look around.", "command_execution", "There it is."],
            "0",
            1,
        ),
        Recorded(
            "gemini",
            "--output-format stream-json --approval-mode yolo --skip-trust",
            ["I look around.", "run_shell_command", "tool_result", "There it is."],
            "0",
            0,
        ),
        Recorded(
            "opencode",
            "run --format json --auto",
            ["I look around.", "bash", "There it is."],
            "0.0012",
            2,
        ),
    ],
    ids=lambda recorded: recorded.name,
)
def test_a_template_runs_a_program_and_reads_what_it_prints(
    office: Office, tmp_path: Path, stand_in: StandIn, recorded: Recorded
) -> None:
    printed = RECORDED / f"{recorded.name}.jsonl"
    stand_in(recorded.name, f'printf "%s\\n" "$*" > argv.txt; cat > prompt.md; cat {printed}\n')
    task = office.task(HOSTILE, description=HOSTILE)
    execute(office, CommandExecutor.from_config({"template": recorded.name, "model": "a model's"}))
    worker = office.worker(task)
    assert office.read(task).status is TaskStatus.COMPLETED
    listed = office.owner.messages.list(worker_id=worker.id, limit=200)[::-1]
    assert [message.content for message in listed] == recorded.said
    used = next(message for message in listed if message.role is Role.TOOL)
    assert "made.txt" in str(used.tool_input)
    assert (worker.cost_usd, worker.turns) == (Decimal(recorded.cost), recorded.turns)
    repository = Path(str(office.owner.workspaces.get(id=office.workspace_id).local_path))
    argv = git(repository, "show", f"{worker.branch}:argv.txt")
    assert argv == f"{recorded.arguments} --model a model's"
    prompt = git(repository, "show", f"{worker.branch}:prompt.md")
    assert HOSTILE in prompt
    assert "buildd agent ask" in prompt
    assert not list(tmp_path.rglob("pwned"))


def test_aider_gets_the_prompt_by_file(
    office: Office, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in("aider", 'for last; do :; done; head -1 "$last"; echo \'{"type": "x"}\' $OTHER\n')
    monkeypatch.setenv("OTHER", "passed")
    task = office.task()
    execute(office, CommandExecutor.from_config({"template": "aider", "pass_env": ["OTHER"]}))
    assert office.said(office.worker(task)) == '# Fix the login test\n{"type": "x"} passed'


def test_a_program_that_says_why_it_fails_is_quoted(office: Office, stand_in: StandIn) -> None:
    failed = '{"type": "turn.failed", "error": {"message": "no credit left"}}'
    stand_in("codex", f"echo 'a warning' >&2; echo '{failed}'; exit 1\n")
    task = office.task()
    execute(office, CommandExecutor.from_config({"template": "codex"}))
    assert office.worker(task).error == "exit code 1: a warning\nno credit left"


def test_lines_that_are_too_long_or_strange_do_no_harm(
    office: Office, tmp_path: Path, stand_in: StandIn
) -> None:
    strange = tmp_path / "strange.jsonl"
    cost = '{"type": "step_finish", "part": {"cost": %s}}\n'
    strange.write_text(
        "[" * 100_000
        + "\n[1]\n{}\n"
        + '{"type": "tool_use", "part": {"tool": "deep", "state": {"input": %s}}}\n'
        % ("[" * 600 + "]" * 600)
        + "".join(cost % value for value in STRANGE)
        + '{"type": "text", "part": {"text": 5}}\n{"type": "tool_use", "part": []}\n'
        + '{"type": "text", "part": {"text": "'
        + "x" * 1_100_000
        + '"}}\n'
        + '{"type": "text", "part": {"text": "the end"}}'
    )
    stand_in("opencode", f"cat {strange}\n")
    task = office.task()
    execute(office, CommandExecutor.from_config({"template": "opencode"}))
    worker = office.worker(task)
    assert (worker.cost_usd, worker.turns) == (Decimal("0.5"), len(STRANGE))
    said = office.said(worker)
    assert said.endswith("… a line that is too long is not shown …\nthe end")
    assert "xxxx" not in said


def test_a_template_whose_program_is_missing_is_refused_before_any_task_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="runs codex: it is not installed, or not in PATH"):
        CommandExecutor.from_config({"template": "codex"})
