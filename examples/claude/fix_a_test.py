"""Has Claude, or Claude Code, fix a failing test, and answers what it asks: you do, in the terminal.

ANTHROPIC_API_KEY=… python examples/claude/fix_a_test.py                  (some cents)
ANTHROPIC_API_KEY=… python examples/claude/fix_a_test.py --claude-code    (needs buildd[claude-code])
python examples/claude/fix_a_test.py --rehearse                           (a stand-in for the model)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from decimal import Decimal
from pathlib import Path

import anyio

import buildd
from buildd import plugins
from buildd.agent import AgentOptions, serve_async
from buildd.client import as_async
from buildd.errors import ConfigError
from buildd.events import EventType
from buildd.roles import Executor
from buildd.testing.messages import FakeModel, Reply, ToolUse

TASK = """`python3 test_shop.py` fails. Find out why and mend it; leave the test as it is.
Ask me which name the commit gets."""
FILES = {
    "shop.py": "def total(prices):\n    return max(prices)\n",
    "test_shop.py": "from shop import total\n\nassert total([1, 2]) == 3\nprint('OK')\n",
}
RUN = {"command": "python3 -B test_shop.py"}
EDIT = {"file_path": "shop.py", "old_string": "max(", "new_string": "sum("}
NAMES = [{"label": "Fix the total", "description": ""}, {"label": "Add up", "description": ""}]
QUESTION = {"question": "Which name?", "header": "Name", "options": NAMES, "multiSelect": False}
MEND = "sed -i s/max/sum/ shop.py && python3 -B test_shop.py && git commit -qam 'Fix the total'"
SUMMARY = Reply("total() took the largest price; now it adds them up. The test passes.")
REHEARSALS = {
    "claude": [
        Reply("I run the test first.", [ToolUse("bash", RUN)]),
        Reply("It takes the largest.", [ToolUse("edit", EDIT), ToolUse("bash", RUN)]),
        SUMMARY,
    ],
    "claude-code": [
        Reply("I run the test first.", [ToolUse("Bash", RUN)]),
        Reply("It takes the largest.", [ToolUse("AskUserQuestion", {"questions": [QUESTION]})]),
        Reply(tools=[ToolUse("Bash", {"command": MEND})]),
        SUMMARY,
    ],
}


def main() -> None:
    """The real model and you, or the rehearsal."""
    name = "claude-code" if "--claude-code" in sys.argv else "claude"
    if "--rehearse" not in sys.argv:
        play(name, rehearsing=not sys.stdin.isatty())
        return
    with FakeModel(REHEARSALS[name]) as model:
        os.environ |= {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "none-needed"}
        play(name, rehearsing=True)


def play(name: str, *, rehearsing: bool) -> None:
    """One task, an agent that does it and ends, and a person."""
    try:
        executor = plugins.load().executors.make(name, {"max_turns": 30})
    except ConfigError as problem:
        sys.exit(f"error: {problem}")
    with (
        tempfile.TemporaryDirectory() as temporary,
        buildd.connect(f"sqlite:///{temporary}/team.db") as bd,
    ):
        directory = Path(temporary)
        shop = bd.workspaces.create(name="shop", local_path=str(repository(directory)))
        task = bd.tasks.create(
            workspace_id=shop.id, title="Fix the total", description=TASK, max_cost=Decimal(1)
        )
        account = bd.accounts.create(type=buildd.AccountType.USER, name="laptop")
        bd.accounts.grant(account_id=account.id, workspace_id=shop.id)
        you = threading.Thread(target=person, args=[bd, rehearsing], daemon=True)
        you.start()
        anyio.run(work, bd.with_key(account.api_key), executor, directory)
        you.join(10)
        show(bd, task.id)


async def work(client: buildd.Client, executor: Executor, directory: Path) -> None:
    """What `buildd-agent --executor … --max-tasks 1` does, for one task."""
    options = AgentOptions(single_run=True, max_tasks=1, state_dir=directory / "state")
    async with as_async(client) as account:
        await serve_async(account, executor, options)


def person(bd: buildd.Client, rehearsing: bool) -> None:  # noqa: FBT001 - a thread's argument
    """Answer each question, and each wish to do what it may not do unasked, until all is done."""
    wanted = [EventType.WORKER_WAITING, EventType.WORKER_COMPLETED, EventType.WORKER_ERROR]
    for event in bd.events(after=0, types=wanted):
        if event.type is not EventType.WORKER_WAITING:
            return
        worker = bd.workers.get(id=str(event.worker_id))
        if worker.waiting_for is None:
            continue
        options = worker.waiting_for.options or ["as you like"]
        print(f"\n{worker.waiting_for.prompt}\n{' | '.join(options)}")
        answer = options[0] if rehearsing else input("> ")
        bd.workers.answer(id=worker.id, content=answer)
        print(f"answered: {answer}\n")


def show(bd: buildd.Client, task_id: str) -> None:
    """What there is to see of it."""
    [worker] = bd.workers.list(task_id=task_id)
    for message in reversed(bd.messages.list(worker_id=worker.id)):
        print(f"{message.tool_name or message.role.value:>16}  {message.content}")
    for artifact in bd.artifacts.list(worker_id=worker.id):
        print(f"\n--- {artifact.title}\n{bd.artifacts.get(id=artifact.id).content}")
    print(f"{worker.status.value} after {worker.turns} turns for {worker.cost_usd} dollars")
    if worker.error:
        sys.exit(worker.error)


def repository(directory: Path) -> Path:
    """A repository with one commit, and a fault in it."""
    path = directory / "shop"
    path.mkdir()
    for file, text in FILES.items():
        (path / file).write_text(text)
    who = ("-c", "user.name=you", "-c", "user.email=you@example.com")
    for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "a shop"]):
        subprocess.run(["git", *words], cwd=path, check=True)
    return path


if __name__ == "__main__":
    main()
