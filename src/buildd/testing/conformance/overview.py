"""What people look at: books, attempts that are open, agents, and the figures of a board."""

from __future__ import annotations

from decimal import Decimal

from buildd.testing.conformance.stage import Stage, StageSuite

ZERO = Decimal(0)


class OverviewSuite(StageSuite):
    """Questions that change nothing."""

    def test_a_workspace_shows_its_books(self, stage: Stage) -> None:
        """Who works there, what was spent today and what is set aside, however it is asked for."""
        workspaces, mine = stage.bd.workspaces, stage.workspace.id
        other = workspaces.create(name="another")
        claimed, lease = stage.running(max_cost=Decimal(3))
        lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal("1.25"))
        shown = workspaces.get(id=mine)
        books = (shown.live_workers, shown.spent_today, shown.reserved_today)
        assert books == (1, Decimal("1.25"), Decimal("1.75"))
        assert workspaces.list() == [other, shown]
        assert stage.agent.workspaces.list() == [shown]
        assert lease.workspaces.get(id=mine) == shown
        assert (other.live_workers, other.spent_today, other.reserved_today) == (0, ZERO, ZERO)
        changed = workspaces.update(id=mine, name="the shop")
        assert changed.spent_today == Decimal("1.25")
        lease.workers.complete(id=claimed.id)
        shown = workspaces.get(id=mine)
        assert (shown.live_workers, shown.reserved_today) == (0, ZERO)
