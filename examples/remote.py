"""The same over HTTP: a server in a process of its own, and a script that talks to it.

Run it: python examples/remote.py                         (it starts a server for itself)
    or: python examples/remote.py http://localhost:3000   (with BUILDD_API_KEY, if need be)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import buildd


def main(url: str) -> None:
    """Make a workspace and a task, and see the server tell of it."""
    with buildd.connect(url) as bd:
        shop = bd.workspaces.create(name="shop")
        task = bd.tasks.create(
            workspace_id=shop.id,
            title="Translate the receipts",
            runner_preference=buildd.RunnerPreference.SERVICE,
            priority=5,
        )
        event = next(bd.events(after=0, task_id=task.id))
        print(f"{event.type.value}: {event.data['title']}")
        try:
            bd.tasks.retry(id=task.id)
        except buildd.WrongState as refusal:
            print(f"refused with {refusal.code}: {refusal}")
        print(bd.tasks.cancel(id=task.id).status.value)


@contextmanager
def own_server() -> Iterator[str]:
    """A server on a free port, for as long as the block runs."""
    command = [str(Path(sys.executable).with_name("buildd")), "server", "--port", "0"]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            yield next(word for word in server.stdout.readline().split() if "://" in word)
        finally:
            server.terminate()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with own_server() as address:
            main(address)
