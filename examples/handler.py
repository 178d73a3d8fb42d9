"""A script whose function does tasks: `buildd-agent` finds it by its mark.

Run it: buildd-agent --handler handler   (here, with BUILDD_SERVER and BUILDD_API_KEY)
    or: python examples/handler.py       (it starts a server and an agent, and gives them a task)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import buildd
from buildd import agent


@agent.handler
def count_words(session: agent.BlockingSession) -> agent.Result:
    """Do one task. What is returned becomes its result; an exception would be tried again."""
    text = session.task.description or ""
    session.say(f"counting the words of {session.task.title}")
    return {"words": len(text.split())}


def main() -> None:
    """One task for the agent, which is a process of its own."""
    with tempfile.TemporaryDirectory() as directory, server(directory) as url:
        bd = buildd.connect(url)
        book = bd.workspaces.create(name="book")
        account = bd.accounts.create(type=buildd.AccountType.SERVICE, name="counter")
        bd.accounts.grant(account_id=account.id, workspace_id=book.id)
        task = bd.tasks.create(workspace_id=book.id, title="chapter 1", description="It was night.")

        settings = {"BUILDD_SERVER": url, "BUILDD_API_KEY": account.api_key}
        with subprocess.Popen(
            [program("buildd-agent"), "--handler", "handler", "--state-dir", directory],
            cwd=Path(__file__).parent,
            env={**os.environ, **settings},
        ) as process:
            for event in bd.events(after=0, task_id=task.id):
                if event.type is buildd.EventType.WORKER_COMPLETED:
                    break
            process.terminate()
        print("result:", bd.tasks.get(id=task.id).result)


@contextmanager
def server(directory: str) -> Iterator[str]:
    """A server on a free port, for as long as the block runs."""
    with subprocess.Popen(
        [program("buildd"), "server", "--port", "0"],
        cwd=directory,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield next(word for word in process.stdout.readline().split() if "://" in word)
        finally:
            process.terminate()


def program(name: str) -> str:
    """A command that comes with buildd."""
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    main()
