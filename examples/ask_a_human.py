"""An agent that asks a person something and waits for the answer, its task kept meanwhile.

Run it: python examples/ask_a_human.py
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import buildd
from buildd.agent import BlockingSession, Result, serve


def paint(session: BlockingSession) -> Result:
    """Do one task, with a question in the middle."""
    colour = session.ask("Which colour should the door get?", options=["red", "blue"])
    return {"door": colour}


def person(bd: buildd.Client) -> None:
    """Answer the first question. A real person would use a browser, or `buildd workers answer`."""
    for event in bd.events(after=0, types=[buildd.EventType.WORKER_WAITING]):
        assert event.worker_id is not None
        worker = bd.workers.get(id=event.worker_id)
        assert worker.waiting_for is not None
        print(f"asked:    {worker.waiting_for.prompt} {worker.waiting_for.options}")
        bd.workers.answer(id=worker.id, content="blue")
        print("answered: blue")
        return


def main() -> None:
    """One task, one agent, one person."""
    with (
        tempfile.TemporaryDirectory() as directory,
        buildd.connect(f"sqlite:///{directory}/team.db") as bd,
    ):
        workspace = bd.workspaces.create(name="house")
        task = bd.tasks.create(workspace_id=workspace.id, title="Paint the door")
        account = bd.accounts.create(type=buildd.AccountType.USER, name="painter")
        bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)

        threading.Thread(target=person, args=[bd]).start()
        serve(
            bd.with_key(account.api_key),
            paint,
            max_tasks=1,
            single_run=True,
            state_dir=Path(directory),
        )
        print("result:  ", bd.tasks.get(id=task.id).result)


if __name__ == "__main__":
    main()
