"""What owners decide about accounts and workspaces, as rules."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from buildd import operations as ops
from buildd.errors import NotAuthenticated
from tests.model.table import ACCOUNTS, WORKSPACES, Table
from tests.model.words import Caller

PARTINGS = 2
"""Accounts that leave and workspaces that close, in one life of a database."""


class Owners(Table):
    """Limits, rights, and who and what leaves; another one takes its place."""

    @rule(who=st.integers(0, 2), slots=st.integers(1, 4), cap=st.sampled_from([30, 10, 2]))
    def set_limits(self, who: int, slots: int, cap: int) -> None:
        account = str(self.accounts[who].account)
        self.do(
            ops.UpdateAccount(id=account, max_concurrent_workers=slots, max_cost_per_day=cap),
            self.owner,
        )

    @rule(who=st.integers(0, 2), draining=st.sampled_from([False, False, True]))
    def drain(self, who: int, draining: bool) -> None:
        account = str(self.accounts[who].account)
        self.do(ops.DrainAccount(id=account, draining=draining), self.owner)

    @rule(who=st.integers(0, 2), where=st.integers(0, 1), rights=st.sampled_from("----cnb"))
    def set_rights(self, who: int, where: int, rights: str) -> None:
        about = {"account_id": self.accounts[who].account, "workspace_id": self.workspaces[where]}
        if rights == "n":
            self.do(ops.RevokeGrant(**about), self.owner)
        else:
            self.do(
                ops.GrantWorkspace(**about, can_claim=rights != "c", can_create=rights != "b"),
                self.owner,
            )

    @precondition(lambda self: self.world.workers and self.partings < PARTINGS)
    @rule(who=st.none() | st.integers(0, 2), where=st.integers(0, 1))
    def part(self, who: int | None, where: int) -> None:
        if who is None:
            self._close(where)
        else:
            self._dismiss(who, where)

    def _dismiss(self, who: int, last: int) -> None:
        leaver = self.accounts[who]
        self.do(ops.DeleteAccount(id=leaver.account), self.owner)
        if self.world.accounts[str(leaver.account)].deleted:
            self._count("account")
            self._lock_out(leaver)
            self.accounts[who] = self._hire([*ACCOUNTS][who])
            for workspace in self.workspaces[: last + 1]:
                self._admit(self.accounts[who], workspace)

    def _close(self, where: int) -> None:
        workspace = self.workspaces[where]
        self.do(ops.DeleteWorkspace(id=workspace), self.owner)
        if workspace not in self.world.workspaces:
            self._count("workspace")
            self.workspaces[where] = self._found(WORKSPACES[where])
            for caller in self.accounts:
                self._admit(caller, self.workspaces[where])

    def _count(self, what: str) -> None:
        self.partings += 1
        self.seen[f"gone: {what}"] += 1

    def _lock_out(self, leaver: Caller) -> None:
        """A key is remembered until the feed has told the broker that it stands no more."""
        with pytest.raises(NotAuthenticated):
            while True:
                self.broker.authenticate(leaver.key).result()
