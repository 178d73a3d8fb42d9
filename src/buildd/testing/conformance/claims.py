"""Claims: who gets which task, in which order, and within which limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread

import pytest

from buildd.budget import ZERO
from buildd.errors import Forbidden, Invalid, NotClaimable, NotFound
from buildd.models import Claim, ReasonCode
from buildd.routing import AccountType, RunnerPreference
from buildd.states import TaskStatus, WorkerStatus
from buildd.testing.conformance.stage import Stage, StageSuite

CENT = Decimal("0.01")


def reason(claim: Claim) -> ReasonCode | None:
    """Why a claim brought nothing."""
    assert claim.workers == []
    return None if claim.reason is None else claim.reason.code


class ClaimSuite(StageSuite):
    """Routing, order, slots and budgets."""

    def test_a_claim_brings_the_work_the_attempt_and_the_lease(self, stage: Stage) -> None:
        """All that an agent needs to begin."""
        task = stage.task("Fix the Flaky login-test!")
        claimed, _ = stage.claim(capabilities=["git"], agent_id="laptop")
        assert (claimed.task_id, claimed.task.attempt) == (task.id, 1)
        assert claimed.branch == f"buildd/{task.id}-fix-the-flaky-login-test-{claimed.lease.epoch}"
        assert (claimed.worker.status, claimed.worker.epoch) == (WorkerStatus.IDLE, 1)
        assert claimed.lease.expires_at > datetime.now(UTC)
        held = stage.bd.tasks.get(id=task.id)
        assert (held.status, held.claimed_by) == (TaskStatus.ASSIGNED, stage.account.id)
        assert held.expires_at == claimed.lease.expires_at

    def test_the_highest_priority_goes_first_and_then_the_oldest(self, stage: Stage) -> None:
        """A claim of several takes them in the same order."""
        made = [stage.task(priority=priority).id for priority in (0, 5, 0, 5, -1)]
        stage.bd.accounts.update(id=stage.account.id, max_concurrent_workers=5)
        workers = stage.agent.workers.claim(max_tasks=5).workers
        assert [worker.task_id for worker in workers] == [made[n] for n in (1, 3, 0, 2, 4)]

    def test_at_most_as_many_as_asked_for(self, stage: Stage) -> None:
        """One unless more are asked for."""
        for _ in range(3):
            stage.task()
        assert len(stage.agent.workers.claim().workers) == 1
        assert len(stage.agent.workers.claim(max_tasks=50).workers) == 2

    @pytest.mark.parametrize("kind", AccountType)
    def test_a_preference_is_for_one_kind_of_account(self, stage: Stage, kind: AccountType) -> None:
        """`any` is for all."""
        agent = stage.bd.with_key(stage.hire(kind).api_key)
        for preference in RunnerPreference:
            stage.task(preference.value, runner_preference=preference)
        got = {worker.task.title for worker in agent.workers.claim(max_tasks=3).workers}
        assert got == {"any", kind.value}

    def test_capabilities_must_all_be_offered(self, stage: Stage) -> None:
        """More than that does no harm."""
        task = stage.task(required_capabilities=["gpu", "linux"])
        assert reason(stage.agent.workers.claim(capabilities=["gpu"])) is ReasonCode.NO_WORK
        missing = stage.agent.workers.claim(task_id=task.id, capabilities=["gpu"])
        assert reason(missing) is ReasonCode.MISSING_CAPABILITIES
        assert stage.claim(capabilities=["mac", "linux", "gpu"])[0].task_id == task.id

    def test_a_task_waits_for_its_time(self, stage: Stage) -> None:
        """And hides nothing behind it."""
        stage.task(priority=9, not_before=datetime.now(UTC) + timedelta(hours=1))
        now = stage.task(not_before=datetime.now(UTC) - timedelta(hours=1))
        assert stage.claim()[0].task_id == now.id
        assert reason(stage.agent.workers.claim()) is ReasonCode.NO_WORK

    def test_a_claim_stays_within_its_workspace(self, stage: Stage) -> None:
        """If one is named; and needs a grant there."""
        other = stage.bd.workspaces.create(name="other")
        stage.task()
        claim = stage.agent.workers.claim(workspace_id=other.id)
        assert reason(claim) is ReasonCode.NO_GRANT
        stage.bd.accounts.grant(account_id=stage.account.id, workspace_id=other.id)
        claim = stage.agent.workers.claim(workspace_id=other.id)
        assert reason(claim) is ReasonCode.NO_WORK

    def test_slots_are_the_limit(self, stage: Stage) -> None:
        """Of the account and of the workspace; an attempt that ends gives its slot back."""
        for _ in range(4):
            stage.task()
        stage.bd.accounts.update(id=stage.account.id, max_concurrent_workers=2)
        first, _ = stage.agent.workers.claim(max_tasks=4).workers
        assert reason(stage.agent.workers.claim()) is ReasonCode.NO_SLOT
        stage.bd.with_key(first.lease.token).tasks.release(id=first.task_id)
        assert len(stage.agent.workers.claim(max_tasks=4).workers) == 1
        stage.bd.workspaces.update(id=stage.workspace.id, max_concurrent_workers=2)
        other = stage.bd.with_key(stage.hire().api_key)
        pending = stage.bd.tasks.list(status=TaskStatus.PENDING)[0]
        claim = other.workers.claim(task_id=pending.id)
        assert reason(claim) is ReasonCode.NO_WORKSPACE_SLOT

    def test_money_is_set_aside_within_the_day_budget(self, stage: Stage) -> None:
        """A task too dear hides no cheaper one; a day that is used up closes."""
        stage.bd.accounts.update(id=stage.account.id, max_cost_per_day=Decimal(10))
        stage.task(priority=9, max_cost=Decimal(11))
        stage.task(max_cost=Decimal(6))
        stage.task(max_cost=Decimal(5))
        cheap = stage.task(max_cost=Decimal(4))
        stage.claim()
        assert stage.claim()[0].task_id == cheap.id
        assert stage.spent() == (ZERO, Decimal(10))
        stage.task()
        refused = stage.agent.workers.claim()
        assert reason(refused) is ReasonCode.NO_BUDGET
        assert refused.reason is not None
        assert (refused.reason.limit, refused.reason.current) == (10, 10)

    def test_a_workspace_has_a_budget_of_its_own(self, stage: Stage) -> None:
        """All accounts share it."""
        stage.bd.workspaces.update(id=stage.workspace.id, max_cost_per_day=Decimal(5))
        stage.task(max_cost=Decimal(3))
        dear = stage.task(max_cost=Decimal(3))
        stage.claim()
        other = stage.bd.with_key(stage.hire().api_key)
        claim = other.workers.claim(task_id=dear.id)
        assert reason(claim) is ReasonCode.NO_WORKSPACE_BUDGET

    def test_what_an_account_reserves_when_a_task_has_no_limit(self, stage: Stage) -> None:
        """Its own limit for one task, or nothing."""
        stage.bd.accounts.update(id=stage.account.id, max_cost_per_task=Decimal(2))
        stage.task()
        stage.task(max_cost=CENT)
        assert len(stage.agent.workers.claim(max_tasks=2).workers) == 2
        assert stage.spent() == (ZERO, 2 + CENT)

    def test_a_run_has_limits(self, stage: Stage) -> None:
        """So many tasks, and no more; another run begins anew."""
        hired = stage.hire(AccountType.ACTION, max_tasks_per_run=1)
        agent = stage.bd.with_key(hired.api_key)
        stage.task()
        stage.task()
        assert len(agent.workers.claim(run_id="1", max_tasks=2).workers) == 1
        assert reason(agent.workers.claim(run_id="1")) is ReasonCode.RUN_LIMIT
        assert len(agent.workers.claim(run_id="2").workers) == 1

    def test_a_draining_account_gets_no_work(self, stage: Stage) -> None:
        """Until that is undone."""
        stage.task()
        assert stage.bd.accounts.drain(id=stage.account.id).draining
        assert reason(stage.agent.workers.claim()) is ReasonCode.DRAINING
        stage.bd.accounts.drain(id=stage.account.id, draining=False)
        assert stage.agent.workers.claim().workers

    def test_a_named_task_is_claimed_or_says_why_not(self, stage: Stage) -> None:
        """By a claim, which answers, and by a new worker, which is refused."""
        task, workspace = stage.task(), stage.workspace.id
        claimed = stage.agent.workers.create(workspace_id=workspace, task_id=task.id)
        assert claimed.task_id == task.id
        assert reason(stage.agent.workers.claim(task_id=task.id)) is ReasonCode.NOT_PENDING
        with pytest.raises(NotClaimable) as refused:
            stage.agent.workers.create(workspace_id=workspace, task_id=task.id)
        assert refused.value.details["reason"]["code"] == ReasonCode.NOT_PENDING
        with pytest.raises(NotFound):
            stage.agent.workers.claim(task_id="task_nothing")

    def test_an_administrator_claims_for_an_account(self, stage: Stage) -> None:
        """Which has to be named; an account claims for itself only."""
        task, workspace = stage.task(), stage.workspace.id
        other = stage.hire()
        with pytest.raises(Invalid, match="accountId"):
            stage.bd.workers.create(workspace_id=workspace, task_id=task.id)
        with pytest.raises(Forbidden):
            stage.agent.workers.create(workspace_id=workspace, task_id=task.id, account_id=other.id)
        made = stage.bd.workers.create(workspace_id=workspace, task_id=task.id, account_id=other.id)
        assert made.worker.account_id == other.id

    def test_a_waiting_claim_is_woken(self, stage: Stage) -> None:
        """By a task that it may take."""
        woken: list[str] = []

        def wait() -> None:
            claim = stage.agent.workers.claim(wait_seconds=30)
            woken.extend(worker.task_id for worker in claim.workers)

        waiting = Thread(target=wait)
        waiting.start()
        stage.task(runner_preference=RunnerPreference.ACTION)
        task = stage.task()
        waiting.join()
        assert woken == [task.id]

    def test_a_claim_that_waits_in_vain_says_why(self, stage: Stage) -> None:
        """As one that does not wait."""
        assert reason(stage.agent.workers.claim(wait_seconds=1)) is ReasonCode.NO_WORK
