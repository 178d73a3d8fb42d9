from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildd import agent, plugins
from buildd.agent.handlers import find_handler
from buildd.errors import ConfigError
from buildd.states import TaskStatus
from tests.agent.office import Office
from tests.agent.test_agent_process import Agents, agents
from tests.patience import until

__all__ = ["agents"]  # a fixture

SOLVE = """
from buildd import agent

@agent.handler
def solve(session):
    session.say(f"on {session.task.title}")
    return {"answer": 42}

def other(session):
    return {"answer": 43}
"""


RUDE = """
import sys, time
from pathlib import Path
from buildd import agent

@agent.handler
def rude(session):
    if session.task.title == "exit":
        sys.exit(3)
    Path("hangs").touch()
    while True:
        time.sleep(1)
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of modules to work in, none of which stays loaded."""
    before, path = set(sys.modules), list(sys.path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_the_function_that_is_marked_is_found_and_stays_as_it_is(modules: Path) -> None:
    (modules / "solve_marked.py").write_text(SOLVE)
    found = find_handler("solve_marked")
    assert getattr(found, "__name__", "") == "solve"
    assert getattr(find_handler("solve_marked:other"), "__name__", "") == "other"

    def handle(session: agent.BlockingSession) -> None:
        raise NotImplementedError

    assert agent.handler(handle) is handle


@pytest.mark.parametrize(
    ("source", "where", "told"),
    [
        (None, "nothing_here", "there is no module 'nothing_here'"),
        (None, "", "name a module, such as `refunds` for refunds.py"),
        (None, ":solve", "name a module"),
        (None, ".solve", "name a module"),
        (None, "solve.py", "give the module's name, solve"),
        ("import nothing_here_too", "broken_a", "there is no module 'nothing_here_too'"),
        ("1/0", "broken_b", "it cannot be imported: ZeroDivisionError"),
        ("import sys; sys.exit()", "broken_d", "it cannot be imported: SystemExit"),
        ("def (", "broken_c", "it cannot be imported: SyntaxError"),
        ("x = 1", "unmarked", "one function must be marked with @agent.handler, and there is none"),
        ("x = 1", "unmarked_b:x", "there is no function 'x' in unmarked_b"),
        (SOLVE + "also = agent.handler(other)", "twice", "there is solve, other, also; or name it"),
    ],
)
def test_what_is_no_handler_is_told_in_one_line(
    modules: Path, source: str | None, where: str, told: str
) -> None:
    if source is not None:
        (modules / f"{where.partition(':')[0]}.py").write_text(source)
    with pytest.raises(ConfigError) as refused:
        plugins.load().executors.make("function", {"handler": where})
    assert re.match(f"--handler '?{where.partition(':')[0]}", str(refused.value))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_handler_that_exits_or_hangs_takes_nothing_with_it(agents: Agents, modules: Path) -> None:
    (modules / "rude.py").write_text(RUDE)
    office = agents.office
    exits = office.task("exit", max_attempts=1)
    process = agents.start("", "--executor=function", "--handler=rude", "--drain-timeout=0")
    until(lambda: office.read(exits).status is TaskStatus.FAILED)
    assert office.worker(exits).error == "SystemExit: 3"
    hangs = office.task("hang")
    until((modules / "hangs").exists)
    process.terminate()
    code, told = agents.end(process)
    assert code == 0
    assert "ended without a handler that does not return" in told
    assert "Traceback" not in told
    assert office.read(hangs).status is TaskStatus.PENDING


def test_the_executor_needs_a_function() -> None:
    with pytest.raises(ConfigError, match="--handler MODULE"):
        plugins.load().executors.make("function", {})


def test_an_agent_process_calls_it(agents: Agents, modules: Path) -> None:
    (modules / "solve_it.py").write_text(SOLVE)
    office: Office = agents.office
    task = office.task()
    agent = agents.start("", "--executor=function", "--handler=solve_it")
    until(lambda: office.read(task).status is TaskStatus.COMPLETED)
    agent.terminate()
    assert agents.end(agent)[0] == 0
    result = office.read(task).result
    assert result is not None
    assert result["answer"] == 42
    assert office.said(office.worker(task)) == "on Fix the login test"
