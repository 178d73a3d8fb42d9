"""Has Claude Code fix a failing test, and answers what it asks: you do, in the terminal.

pip install 'buildd[claude-code]'
ANTHROPIC_API_KEY=… python examples/claude_code/fix_a_test.py        (some cents)
python examples/claude_code/fix_a_test.py --rehearse                 (a stand-in for the model)
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
from buildd.roles import Executor
from buildd.testing.messages import FakeModel, Reply, ToolUse

TASK = "`python3 test_shop.py` fails. Find out why and mend it. Ask me which name the commit gets."
FILES = {
    "shop.py": "def total(prices):\n    return max(prices)\n",
    "test_shop.py": "from shop import total\n\nassert total([1, 2]) == 3\nprint('OK')\n",
}
NAMES = [{"label": "Fix the total", "description": ""}, {"label": "Add up", "description": ""}]
QUESTION = {"question": "Which name?", "header": "Name", "options": NAMES, "multiSelect": False}
MEND = "sed -i s/max/sum/ shop.py && python3 -B test_shop.py && git commit -qam 'Fix the total'"
REHEARSAL = [
    Reply("I run the test first.", [ToolUse("Bash", {"command": "python3 -B test_shop.py"})]),
    Reply("It took the largest.", [ToolUse("AskUserQuestion", {"questions": [QUESTION]})]),
    Reply(tools=[ToolUse("Bash", {"command": MEND})]),
    Reply("total() took the largest price; now it adds them up. The test passes."),
]


def main() -> None:
    """The real model and you, or the rehearsal."""
    if "--rehearse" not in sys.argv:
        play(rehearsing=not sys.stdin.isatty())
        return
    with FakeModel(REHEARSAL) as model:
        os.environ |= {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "none-needed"}
        play(rehearsing=True)


def play(*, rehearsing: bool) -> None:
    """One task, an agent that does it and ends, and a person."""
    try:
        claude_code = plugins.load().executors.make("claude-code", {"max_turns": 30})
    except ConfigError as problem:
        sys.exit(f"error: {problem}")
    with (
        tempfile.TemporaryDirectory() as name,
        buildd.connect(f"sqlite:///{name}/team.db") as bd,
    ):
        directory = Path(name)
        shop = bd.workspaces.create(name="shop", local_path=str(repository(directory)))
        task = bd.tasks.create(
            workspace_id=shop.id, title="Fix the total", description=TASK, max_cost=Decimal(1)
        )
        account = bd.accounts.create(type=buildd.AccountType.USER, name="laptop")
        bd.accounts.grant(account_id=account.id, workspace_id=shop.id)
        threading.Thread(target=person, args=[bd, rehearsing], daemon=True).start()
        anyio.run(work, bd.with_key(account.api_key), claude_code, directory)
        show(bd, task.id)


async def work(client: buildd.Client, executor: Executor, directory: Path) -> None:
    """What `buildd-agent --executor claude-code --max-tasks 1` does, for one task."""
    options = AgentOptions(single_run=True, max_tasks=1, state_dir=directory / "state")
    async with as_async(client) as account:
        await serve_async(account, executor, options)


def person(bd: buildd.Client, rehearsing: bool) -> None:  # noqa: FBT001 - a thread's argument
    """Answer each question, and each wish to do what it may not do unasked."""
    for event in bd.events(after=0, types=[buildd.EventType.WORKER_WAITING]):
        worker = bd.workers.get(id=str(event.worker_id))
        if worker.waiting_for is None:
            continue
        options = worker.waiting_for.options or [""]
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
