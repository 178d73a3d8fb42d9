"""The whole broker inside one script, on a SQLite file: no server, no key, nothing to set up.

Run it: python examples/embedded.py
"""

from __future__ import annotations

import tempfile

import buildd


def main() -> None:
    """Put a task in, do it by hand as an agent would, and read what happened."""
    with (
        tempfile.TemporaryDirectory() as directory,
        buildd.connect(f"sqlite:///{directory}/team.db") as bd,
    ):
        shop = bd.workspaces.create(name="shop")
        task = bd.tasks.create(workspace_id=shop.id, title="Fix the flaky login test")

        laptop = bd.accounts.create(type=buildd.AccountType.USER, name="Max's laptop")
        bd.accounts.grant(account_id=laptop.id, workspace_id=shop.id)

        # An agent claims with its account's key, and works with the token of the lease it gets.
        [claimed] = bd.with_key(laptop.api_key).workers.claim(workspace_id=shop.id).workers
        me = bd.with_key(claimed.lease.token)
        me.workers.start(id=claimed.id)
        me.workers.heartbeat(id=claimed.id, status="running", progress=50)
        me.workers.complete(id=claimed.id, result={"summary": "waits for the page to load"})

        for event in bd.events(after=0, task_id=task.id):
            print(event.seq, event.type.value, event.data)
            if event.type is buildd.EventType.WORKER_COMPLETED:
                break
        print("result:", bd.tasks.get(id=task.id).result)


if __name__ == "__main__":
    main()
