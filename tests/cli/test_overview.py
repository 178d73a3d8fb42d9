"""The commands that show how things stand."""

from __future__ import annotations

import os
from decimal import Decimal

import buildd
from buildd.routing import AccountType, Trust
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


def test_tasks_by_a_text(here: Here) -> None:
    workspace = os.environ["BUILDD_WORKSPACE"]
    with buildd.connect(os.environ["BUILDD_SERVER"]) as bd:
        made = [
            bd.tasks.create(workspace_id=workspace, title=title, trust=trust).id
            for title, trust in (("Mend the till", Trust.INTERNAL), ("Mend the door", Trust.PUBLIC))
        ]
    assert [each["id"] for each in here.json("tasks", "list", "--text", "TILL")] == made[:1]
    assert [each["id"] for each in here.json("tasks", "list", "--needs-approval")] == made[1:]
    counts = here.json("tasks", "count", "--text", "mend")
    assert (counts["pending"], counts["needsApproval"], counts["completed"]) == (2, 1, 0)
    assert "needsApproval  1" in here.ok("tasks", "count")


def test_spending(here: Here) -> None:
    assert "Nothing was spent" in here("spend")[2]
    with buildd.connect(os.environ["BUILDD_SERVER"]) as bd:
        workspace = os.environ["BUILDD_WORKSPACE"]
        account = bd.accounts.create(type=AccountType.SERVICE, name="vm")
        bd.accounts.grant(account_id=account.id, workspace_id=workspace)
        task = bd.tasks.create(workspace_id=workspace, title="Mend it")
        [claimed] = bd.with_key(account.api_key).workers.claim().workers
        lease = bd.with_key(claimed.lease.token)
        lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal("1.5"))
    [day] = here.json("spend")
    assert (day["costUsd"], day["attempts"], day["taskId"]) == (1.5, 1, None)
    head, row = here.ok("spend", "--by", "task", "--by", "account").splitlines()
    assert head.split() == ["ACCOUNT", "TASK", "COST", "ATTEMPTS"]
    assert row.split() == [account.id, task.id, "$1.50", "1"]
    assert here.json("spend", "--since", day["day"], "--until", day["day"]) == [day]
    assert here.json("spend", "--until", "2020-01-31") == []
    assert "--since" in here.error(2, "spend", "--since", "yesterday")
