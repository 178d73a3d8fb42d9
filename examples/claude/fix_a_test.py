"""Has Claude fix a failing test, in a repository made for it, and shows what it did and what it cost.

ANTHROPIC_API_KEY=… python examples/claude/fix_a_test.py        (some cents)
python examples/claude/fix_a_test.py --rehearse                 (a stand-in for the model: nothing)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
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

TASK = "`python3 test_shop.py` fails. Find out why and mend it; leave the test as it is."
FILES = {
    "shop.py": "def total(prices):\n    return max(prices)\n",
    "test_shop.py": "from shop import total\n\nassert total([1, 2]) == 3\nprint('OK')\n",
}
RUN = ToolUse("bash", {"command": "python3 -B test_shop.py"})
EDIT = {"file_path": "shop.py", "old_string": "max(", "new_string": "sum("}
REHEARSAL = [
    Reply("I run the test first.", [RUN]),
    Reply("total() gives the largest price, not the sum.", [ToolUse("edit", EDIT), RUN]),
    Reply("total() took the largest price; now it adds them up. The test passes."),
]


def main() -> None:
    """The real model, or the rehearsal."""
    if "--rehearse" not in sys.argv:
        play()
        return
    with FakeModel(REHEARSAL) as model:
        os.environ |= {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "none-needed"}
        play()


def play() -> None:
    """One task, and an agent that does it and ends."""
    try:
        claude = plugins.load().executors.make("claude", {"max_turns": 30})
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
        anyio.run(work, bd.with_key(account.api_key), claude, directory)
        show(bd, task.id)


async def work(client: buildd.Client, executor: Executor, directory: Path) -> None:
    """What `buildd-agent --max-tasks 1` does, for one task."""
    options = AgentOptions(single_run=True, max_tasks=1, state_dir=directory / "state")
    async with as_async(client) as account:
        await serve_async(account, executor, options)


def show(bd: buildd.Client, task_id: str) -> None:
    """What there is to see of it."""
    [worker] = bd.workers.list(task_id=task_id)
    for message in reversed(bd.messages.list(worker_id=worker.id)):
        print(f"{message.tool_name or message.role.value:>10}  {message.content}")
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
