"""Accounts and workspaces: what an owner's decisions about them ought to do to the model."""

from __future__ import annotations

from typing import Any

from buildd import operations as ops
from tests.model.things import Account
from tests.model.words import Caller, RefusalError, Words, accepted, does


class OwnerSpec(Words):
    """What an owner decides."""

    @does(ops.UpdateAccount)
    def update_account(self, op: ops.UpdateAccount, caller: Caller, got: Any) -> None:
        account = self._account(op.id)
        accepted(got)
        account.slots = op.changes().get("max_concurrent_workers", account.slots)
        account.cap = op.changes().get("max_cost_per_day", account.cap)

    @does(ops.DrainAccount)
    def drain_account(self, op: ops.DrainAccount, caller: Caller, got: Any) -> None:
        account = self._account(op.id)
        accepted(got)
        account.draining = op.draining

    @does(ops.DeleteAccount)
    def delete_account(self, op: ops.DeleteAccount, caller: Caller, got: Any) -> None:
        """It stays in the books; its keys open nothing, and what it has paused is for people."""
        account = self._account(op.id)
        if self.world.live(account.id):
            raise RefusalError("wrong_state")
        accepted(got)
        account.deleted = True

    @does(ops.GrantWorkspace)
    def grant_workspace(self, op: ops.GrantWorkspace, caller: Caller, got: Any) -> None:
        account = self._account(op.account_id)
        if op.workspace_id not in self.world.workspaces:
            raise RefusalError("not_found")
        accepted(got)
        account.grants[op.workspace_id] = (op.can_claim, op.can_create)

    @does(ops.RevokeGrant)
    def revoke_grant(self, op: ops.RevokeGrant, caller: Caller, got: Any) -> None:
        account = self.world.accounts[op.account_id]
        if op.workspace_id not in account.grants:
            raise RefusalError("not_found")
        accepted(got)
        del account.grants[op.workspace_id]

    @does(ops.DeleteWorkspace)
    def delete_workspace(self, op: ops.DeleteWorkspace, caller: Caller, got: Any) -> None:
        """With all that is in it, unless somebody is at work there."""
        if op.id not in self.world.workspaces:
            raise RefusalError("not_found")
        if self.world.live(op.id):
            raise RefusalError("wrong_state")
        accepted(got)
        self.world.close_workspace(op.id)

    def _account(self, account_id: str) -> Account:
        account = self.world.accounts[account_id]
        if account.deleted:
            raise RefusalError("not_found")
        return account
