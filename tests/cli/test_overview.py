"""The commands that show how things stand."""

from __future__ import annotations

import os

import buildd
from buildd.routing import AccountType
from tests.cli.conftest import Here


def test_agents_and_open_workers(here: Here) -> None:
    assert "No such agents" in here("agents", "list")[2]
    with buildd.connect(os.environ["BUILDD_SERVER"]) as bd:
        workspace = os.environ["BUILDD_WORKSPACE"]
        account = bd.accounts.create(type=AccountType.SERVICE, name="vm")
        bd.accounts.grant(account_id=account.id, workspace_id=workspace)
        bd.tasks.create(workspace_id=workspace, title="Mend it")
        agent = bd.with_key(account.api_key)
        [claimed] = agent.workers.claim(agent_id="cellar", capabilities=["git", "gpu"]).workers
    head, row = here.ok("agents", "list", "--account", account.id).splitlines()
    assert " ".join(head.split()) == "AGENT ACCOUNT RUNNER ASKED FOR LAST SEEN CAPABILITIES"
    assert row.split()[:2] == ["cellar", account.id]
    assert row.endswith("git gpu")
    assert [each["id"] for each in here.json("workers", "list", "--open")] == [claimed.id]
    assert here.json("workers", "list", "--over") == []
