"""An agent that does tasks with a Python function of yours.

Run it: python examples/agent_function.py         (all in one process)
    or: buildd-agent --handler agent_function     (here, with BUILDD_SERVER and BUILDD_API_KEY)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import buildd
from buildd.agent import BlockingSession, Failed, Result, handler, serve


@handler
def shout(session: BlockingSession) -> Result:
    """Do one task. What is returned becomes its result; an exception would be tried again."""
    text = session.task.context.get("text")
    if not isinstance(text, str):
        return Failed("the task's context has no text", retryable=False)
    session.say(f"shouting {text!r}")
    session.report(progress=90)
    return {"shouted": text.upper()}


def main() -> None:
    """Three tasks, and an agent that takes three and ends."""
    with (
        tempfile.TemporaryDirectory() as directory,
        buildd.connect(f"sqlite:///{directory}/team.db") as bd,
    ):
        workspace = bd.workspaces.create(name="voices")
        for text in ("hello", "world", None):
            bd.tasks.create(workspace_id=workspace.id, title="Shout it", context={"text": text})
        account = bd.accounts.create(type=buildd.AccountType.SERVICE, name="shouter")
        bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)

        # Without single_run it would go on until SIGTERM, as a service does.
        serve(
            bd.with_key(account.api_key),
            shout,
            workspace_id=workspace.id,
            single_run=True,
            state_dir=Path(directory),
        )
        for task in reversed(bd.tasks.list(workspace_id=workspace.id)):
            print(task.status.value, task.result or task.error)


if __name__ == "__main__":
    main()
