"""An agent that has tasks done by any program: here by the shell script `command/paint.sh`.

Run it: python examples/any_program.py   (it starts a server and an agent, and answers the question)
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

SCRIPT = Path(__file__).parent.resolve() / "command" / "paint.sh"


def main() -> None:
    """One task, one agent that runs the script, and a person who answers it."""
    with tempfile.TemporaryDirectory() as directory, server(directory) as url:
        bd = buildd.connect(url)
        house = bd.workspaces.create(name="house")
        account = bd.accounts.create(type=buildd.AccountType.USER, name="painter")
        bd.accounts.grant(account_id=account.id, workspace_id=house.id)
        task = bd.tasks.create(workspace_id=house.id, title="Paint the door")

        settings = {"BUILDD_SERVER": url, "BUILDD_API_KEY": account.api_key}
        with subprocess.Popen(
            [program("buildd-agent"), "--command", str(SCRIPT), "--state-dir", directory],
            env={**os.environ, **settings},
        ) as process:
            watch(bd, task.id)
            process.terminate()
        print("result:  ", bd.tasks.get(id=task.id).result)


def watch(bd: buildd.Client, task_id: str) -> None:
    """Tell what happens, and answer what is asked. A real person would use a browser."""
    for event in bd.events(after=0, task_id=task_id):
        match event.type:
            case buildd.EventType.WORKER_MESSAGE:
                print("said:    ", event.data["content"])
            case buildd.EventType.WORKER_WAITING:
                assert event.worker_id is not None
                print("asked:   ", event.data["waitingFor"])
                bd.workers.answer(id=event.worker_id, content="blue")
            case buildd.EventType.WORKER_COMPLETED | buildd.EventType.WORKER_ERROR:
                return


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
