"""Each example runs to its end by itself, and says what it promises to show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from buildd.agent.handlers import find_handler
from tests.patience import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "agent_function.py": [
        "completed {'shouted': 'HELLO'}",
        "failed the task's context has no text",
    ],
    "any_program.py": [
        "reading the task: # Paint the door",
        "'prompt': 'Which colour?'",
        "painting it blue",
        "'door': 'blue'",
    ],
    "ask_a_human.py": ["answered: blue", "{'door': 'blue'}"],
    "embedded.py": ["worker:completed", "waits for the page to load"],
    "remote.py": ["task:created: Translate the receipts", "refused with wrong_state", "cancelled"],
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_to_its_end(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for words in SAYS[name]:
        assert words in done.stdout


def test_an_agent_finds_the_function_of_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    assert getattr(find_handler("agent_function"), "__name__", "") == "shout"
