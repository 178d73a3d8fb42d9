"""What a test begins with: a workspace, an account that may work there, and short words for common steps."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from buildd.client import Client
from buildd.models import Claimed, NewAccount, Task
from buildd.routing import AccountType


class Stage:
    """An installation with one workspace and one account, seen by its owner."""

    def __init__(self, bd: Client) -> None:
        self.bd = bd
        self.workspace = bd.workspaces.create(name="shop", repo="https://example.com/shop.git")
        self.account = self.hire()
        self.agent = bd.with_key(self.account.api_key)

    def hire(self, kind: AccountType = AccountType.USER, **limits: Any) -> NewAccount:
        """A further account that may claim and create in the workspace."""
        made = self.bd.accounts.create(type=kind, name=f"a {kind.value}", **limits)
        self.bd.accounts.grant(
            account_id=made.id, workspace_id=self.workspace.id, can_claim=True, can_create=True
        )
        return made

    def task(self, title: str = "Fix the flaky login test", **fields: Any) -> Task:
        """A task in the workspace."""
        return self.bd.tasks.create(workspace_id=self.workspace.id, title=title, **fields)

    def claim(self, agent: Client | None = None, **fields: Any) -> tuple[Claimed, Client]:
        """An attempt at a claimable task, and the client that holds its lease."""
        [claimed] = (agent or self.agent).workers.claim(**fields).workers
        return claimed, self.bd.with_key(claimed.lease.token)

    def running(self, **fields: Any) -> tuple[Claimed, Client]:
        """The same with a task of its own, already at work."""
        task = self.task(**fields)
        claimed, lease = self.claim(task_id=task.id)
        lease.workers.start(id=claimed.id)
        lease.workers.heartbeat(id=claimed.id, status="running")
        return claimed, lease

    def spent(self) -> tuple[Decimal, Decimal]:
        """What the account has spent today, and what is set aside."""
        books = self.bd.accounts.get(id=self.account.id)
        return books.spent_today, books.reserved_today


class StageSuite:
    """What all suites share: the stage on which they play."""

    @pytest.fixture
    def stage(self, bd: Client) -> Stage:
        """A workspace and an account on the broker under test."""
        return Stage(bd)
