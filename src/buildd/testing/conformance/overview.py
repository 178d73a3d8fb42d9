"""What people look at: books, attempts that are open, agents, and the figures of a board."""

from __future__ import annotations

from decimal import Decimal

from buildd.models import QuestionType
from buildd.routing import AccountType
from buildd.states import WorkerStatus
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

    def test_a_worker_shows_when_its_agent_was_heard(self, stage: Stage) -> None:
        """And until when it may be silent."""
        stage.task()
        claimed, lease = stage.claim()
        taken = claimed.worker.heartbeat_at
        assert claimed.worker.lease_expires_at == claimed.lease.expires_at
        lease.workers.start(id=claimed.id)
        beat = lease.workers.heartbeat(id=claimed.id)
        shown = stage.bd.workers.get(id=claimed.id)
        assert taken is not None
        assert shown.heartbeat_at is not None
        assert taken < shown.heartbeat_at
        assert shown.lease_expires_at == beat.lease.expires_at
        stage.bd.workers.pause(id=claimed.id)
        assert stage.bd.workers.get(id=claimed.id).heartbeat_at == shown.heartbeat_at

    def test_open_workers_are_listed_apart_from_those_that_are_over(self, stage: Stage) -> None:
        """One that is paused, or waits for a person, is not over."""
        claimed = [stage.running() for _ in range(3)]
        (over, ended), (paused, lease), (asking, asker) = claimed
        ended.workers.complete(id=over.id)
        stage.bd.workers.pause(id=paused.id)
        lease.workers.pause(id=paused.id)
        asker.workers.ask(id=asking.id, type=QuestionType.QUESTION, prompt="Which one?")
        workers = stage.bd.workers
        assert [each.id for each in workers.list(open=True)] == [asking.id, paused.id]
        assert [each.id for each in workers.list(open=True, task_id=paused.task_id)] == [paused.id]
        assert [each.id for each in workers.list(open=False)] == [over.id]
        assert workers.list(open=False, status=WorkerStatus.PAUSED) == []
        assert [each.id for each in asker.workers.list(open=True)] == [asking.id]

    def test_agents_are_listed(self, stage: Stage) -> None:
        """An account sees its own; an agent that asks again is the same one."""
        service = stage.hire(AccountType.SERVICE)
        other = stage.bd.with_key(service.api_key)
        stage.agent.workers.claim(agent_id="laptop", capabilities=["git"], max_tasks=2)
        other.workers.claim(agent_id="vm", runner="vm", workspace_id=stage.workspace.id)
        stage.task()
        claimed, _ = stage.claim(agent_id="laptop", capabilities=["git", "gpu"])
        vm, laptop = stage.bd.agents.list()
        assert (vm.agent_id, vm.account_id, vm.runner) == ("vm", service.id, "vm")
        assert (vm.workspace_id, vm.free_slots) == (stage.workspace.id, 1)
        assert (laptop.agent_id, laptop.account_id) == ("laptop", stage.account.id)
        assert (laptop.capabilities, laptop.free_slots) == (["git", "gpu"], 1)
        assert laptop.last_seen_at == claimed.task.claimed_at
        assert claimed.worker.agent_id == "laptop"
        agents = stage.bd.agents
        assert agents.list(account_id=service.id) == agents.list(limit=1) == [vm]
        assert agents.list(cursor=vm.id) == stage.agent.agents.list() == [laptop]
        assert stage.agent.agents.list(account_id=service.id) == []
