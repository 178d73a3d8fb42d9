"""What people look at: books, attempts that are open, agents, and the figures of a board."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from buildd.errors import Invalid, LeaseLost
from buildd.models import QuestionType, TaskCounts
from buildd.operations.spending import Part
from buildd.routing import AccountType
from buildd.states import TaskStatus, WorkerStatus
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

    def test_tasks_are_found_by_a_text(self, stage: Stage) -> None:
        """In the title, whether in capitals or not; an id or an external id only as a whole."""
        login = stage.task("Fix the LOGIN test, 100% of it", external_id="acme/shop#12")
        other = stage.task("Prüfe die_Anmeldung", external_id="acme/shop#1")
        found = stage.bd.tasks.list

        def ids(text: str) -> list[str]:
            return [task.id for task in found(text=text)]

        assert ids("login") == ids("0% OF") == [login.id]
        assert ids("prüfe") == ids("DIE_A") == [other.id]
        assert ids("acme/shop#1") == ids(other.id) == [other.id]
        assert ids("t") == [other.id, login.id] or ids("e") == [other.id, login.id]
        for nothing in ("log%n", "f_x", "acme/shop", other.id[:-1], "\\", "' OR 1=1 --"):
            assert ids(nothing) == []
        assert (
            found(text="login", cursor=login.id)
            == found(text="login", status=TaskStatus.FAILED)
            == []
        )

    def test_tasks_are_found_by_their_ids(self, stage: Stage) -> None:
        """Up to a hundred at once; what is not there, or not theirs to see, is left out."""
        made = [stage.task(f"number {n}").id for n in range(3)]
        hidden = stage.bd.workspaces.create(name="hidden")
        theirs = stage.bd.tasks.create(workspace_id=hidden.id, title="hidden").id
        asked = [made[0], theirs, "task_nothing", made[2], made[2]]
        found = [task.id for task in stage.bd.tasks.list(ids=asked)]
        assert found == [theirs, made[2], made[0]]
        assert [task.id for task in stage.agent.tasks.list(ids=asked)] == [made[2], made[0]]
        assert stage.bd.tasks.list(ids=made, limit=1, cursor=made[2])[0].id == made[1]
        for wrong in ([], ["task_x"] * 101):
            with pytest.raises(Invalid, match="ids"):
                stage.bd.tasks.list(ids=wrong)

    def test_what_needs_approval_is_found(self, stage: Stage) -> None:
        """Until somebody approves it, or it is over."""
        fine, public, gone = (stage.task(trust=trust) for trust in ("internal", "public", "public"))
        stage.bd.tasks.cancel(id=gone.id)
        tasks = stage.bd.tasks
        assert tasks.list(needs_approval=True) == [public]
        assert [each.id for each in tasks.list(needs_approval=False)] == [gone.id, fine.id]
        assert tasks.count().needs_approval == tasks.count(needs_approval=True).pending == 1
        tasks.approve(id=public.id)
        assert tasks.list(needs_approval=True) == []
        assert tasks.count().needs_approval == 0

    def test_tasks_are_counted(self, stage: Stage) -> None:
        """By state, with the filters of the list; and whoever waits for a person."""
        tasks, workers = stage.bd.tasks, stage.bd.workers
        stage.bd.accounts.update(id=stage.account.id, max_cost_per_day=Decimal(5))
        done, asking, dear = (stage.running(title=title) for title in ("Done", "Asks", "Dear"))
        done[1].workers.complete(id=done[0].id)
        asking[1].workers.ask(id=asking[0].id, type=QuestionType.QUESTION, prompt="Which one?")
        stage.claim(task_id=stage.task("Held").id)
        dear[1].workers.heartbeat(id=dear[0].id, cost_usd=Decimal(6))
        stage.task("Waits")
        tasks.cancel(id=stage.task("Gone").id)
        other = stage.bd.workspaces.create(name="another")
        tasks.create(workspace_id=other.id, title="Waits elsewhere")
        counts = {"assigned": 1, "running": 2, "completed": 1, "cancelled": 1, "waiting_input": 2}
        assert tasks.count() == TaskCounts(**counts, pending=2)
        assert tasks.count(workspace_id=other.id) == TaskCounts(pending=1)
        mine = TaskCounts(**counts, pending=1)
        assert tasks.count(workspace_id=stage.workspace.id) == stage.agent.tasks.count() == mine
        assert tasks.count(text="waits") == TaskCounts(pending=2)
        assert tasks.count(ids=[asking[0].task_id]) == TaskCounts(running=1, waiting_input=1)
        dear[1].workers.pause(id=dear[0].id)
        assert tasks.count().waiting_input == 2
        workers.answer(id=asking[0].id, content="That one.")
        workers.cancel(id=dear[0].id)
        assert tasks.count().waiting_input == 0

    def test_what_was_spent_adds_up(self, stage: Stage) -> None:
        """To what the tasks cost, to the millionth of a dollar, however it is told apart."""
        service = stage.hire(AccountType.SERVICE)
        for agent, bills in (
            (stage.agent, ("0.1", "0.3")),
            (stage.bd.with_key(service.api_key), ("0.7",)),
        ):
            claimed, lease = stage.claim(agent, task_id=stage.task(max_cost=Decimal("0.2")).id)
            lease.workers.start(id=claimed.id)
            for total in bills:
                lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal(total))
            lease.workers.fail(id=claimed.id, error="again")
            with pytest.raises(LeaseLost):
                lease.workers.heartbeat(
                    id=claimed.id, cost_usd=Decimal(total) + Decimal("0.000001")
                )
        stage.running(max_cost=Decimal(4))
        spend, cost = stage.bd.spend, Decimal("1.000002")
        assert sum((task.cost_usd for task in stage.bd.tasks.list()), ZERO) == cost
        parts: list[list[Part]] = [
            [],
            ["day"],
            ["account"],
            ["workspace", "day"],
            ["task", "account"],
        ]
        for by in parts:
            assert sum((each.cost_usd for each in spend.list(by=by)), ZERO) == cost
        [whole] = spend.list(by=[])
        assert (whole.attempts, whole.day, whole.task_id) == (2, None, None)
        dear, cheap = spend.list(by=["account"])
        assert (dear.account_id, dear.cost_usd) == (service.id, Decimal("0.700001"))
        assert spend.list(by=["account"], limit=1) == [dear]
        assert spend.list(by=["account"], account_id=stage.account.id) == [cheap]
        assert spend.list(until=date(2020, 1, 31)) == spend.list(workspace_id="ws_none") == []

    def test_spending_is_seen_where_one_may_read(self, stage: Stage) -> None:
        """Of a workspace that is not theirs, an account learns nothing."""
        claimed, lease = stage.running()
        lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal(1))
        stranger = stage.bd.accounts.create(type=AccountType.USER, name="a stranger")
        theirs = stage.bd.with_key(stranger.api_key).spend
        [seen] = stage.agent.spend.list(by=["workspace"])
        assert (seen.workspace_id, seen.cost_usd, seen.attempts) == (
            stage.workspace.id,
            Decimal(1),
            1,
        )
        assert theirs.list() == theirs.list(by=[], workspace_id=stage.workspace.id) == []
        for wrong in ({"by": ["hour"]}, {"since": "yesterday"}, {"until": 1}, {"limit": 0}):
            with pytest.raises(Invalid, match=next(iter(wrong))):
                stage.bd.spend.list(**wrong)
