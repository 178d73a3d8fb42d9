"""Tasks: made once, changed while they wait, called off, taken up again, and waiting for each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import JsonValue

from buildd.budget import ZERO
from buildd.errors import BuilddError, Invalid, NotFound, WrongState
from buildd.models import ReasonCode
from buildd.operations import BatchedTask
from buildd.routing import RunnerPreference
from buildd.states import CLOSED, OnDependencyFailure, TaskStatus, WorkerStatus
from buildd.testing.conformance.stage import Stage, StageSuite


class TaskSuite(StageSuite):
    """What can be done with a task before and after somebody works on it."""

    def test_a_task_is_what_was_asked_for(self, stage: Stage) -> None:
        """Every field comes back as it was given."""
        later = datetime.now(UTC) + timedelta(days=1)
        task = stage.task(
            description="It fails on Mondays.",
            context={"branch": "main", "tries": [1, 2]},
            priority=7,
            runner_preference=RunnerPreference.SERVICE,
            required_capabilities=["gpu"],
            not_before=later,
            max_attempts=2,
            max_cost=Decimal("1.250001"),
            timeout_seconds=60,
        )
        assert (task.status, task.attempt, task.cost_usd) == (TaskStatus.PENDING, 0, ZERO)
        assert (task.max_cost, task.not_before) == (Decimal("1.250001"), later)
        assert task.context == {"branch": "main", "tries": [1, 2]}
        assert stage.bd.tasks.get(id=task.id) == task
        assert stage.bd.tasks.list() == [task]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("title", ""),
            ("title", "x" * 501),
            ("title", "nul \x00 nul"),
            ("priority", 1001),
            ("max_attempts", 0),
            ("max_cost", Decimal(-1)),
            ("timeout_seconds", 0),
            ("runner_preference", "nobody"),
            ("depends_on", ["task_nothing"]),
            ("source_id", "src_nothing"),
            ("banana", 1),
        ],
    )
    def test_a_wrong_value_is_refused_by_its_name(
        self, stage: Stage, field: str, value: object
    ) -> None:
        """And nothing is made."""
        given = {"title": "Fine", field: value}
        with pytest.raises(Invalid) as refused:
            stage.task(**given)  # type: ignore[arg-type]
        [wrong] = refused.value.errors
        assert wrong["field"].replace("_", "").lower().startswith(field.replace("_", ""))
        assert stage.bd.tasks.list() == []

    def test_lists_are_pages_newest_first(self, stage: Stage) -> None:
        """The last id of a page leads to the next one."""
        made = [stage.task(f"number {n}").id for n in range(5)]
        first = [task.id for task in stage.bd.tasks.list(limit=3)]
        rest = [task.id for task in stage.bd.tasks.list(limit=3, cursor=first[-1])]
        assert [*first, *rest] == made[::-1]

    def test_lists_are_filtered(self, stage: Stage) -> None:
        """By workspace, status, preference and holder."""
        claimed, _ = stage.running()
        other = stage.task(runner_preference=RunnerPreference.ACTION)
        tasks = stage.bd.tasks
        assert [task.id for task in tasks.list(status=TaskStatus.PENDING)] == [other.id]
        assert [t.id for t in tasks.list(runner_preference=RunnerPreference.ACTION)] == [other.id]
        assert [t.id for t in tasks.list(claimed_by=stage.account.id)] == [claimed.task_id]
        assert tasks.list(workspace_id="ws_nothing") == []

    def test_a_waiting_task_is_changed_and_a_held_one_is_not(self, stage: Stage) -> None:
        """What was not given stays as it was."""
        task = stage.task(max_cost=Decimal(2))
        changed = stage.bd.tasks.update(id=task.id, title="Other", max_cost=None)
        assert (changed.title, changed.max_cost, changed.priority) == ("Other", None, 0)
        stage.claim()
        with pytest.raises(WrongState):
            stage.bd.tasks.update(id=task.id, priority=3)

    def test_cancel_ends_the_attempt_and_says_whether_it_won(self, stage: Stage) -> None:
        """Once over, a task stays as it ended."""
        claimed, lease = stage.running()
        assert stage.bd.tasks.cancel(id=claimed.task_id).status is TaskStatus.CANCELLED
        worker = stage.bd.workers.get(id=claimed.id)
        assert (worker.status, worker.error_code) == (WorkerStatus.ERROR, "cancelled")
        with pytest.raises(WrongState):
            stage.bd.tasks.cancel(id=claimed.task_id)
        done, lease = stage.running()
        lease.workers.complete(id=done.id)
        with pytest.raises(WrongState):
            stage.bd.tasks.cancel(id=done.task_id)
        assert stage.bd.tasks.get(id=done.task_id).status is TaskStatus.COMPLETED

    def test_a_retry_may_bring_a_budget_that_has_room(self, stage: Stage) -> None:
        """One whose budget is used up would be stopped again at once."""
        claimed, lease = stage.running(max_cost=Decimal("0.15"))
        lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal("0.20"))
        lease.workers.fail(id=claimed.id, error="stopped at its budget", retryable=False)
        with pytest.raises(Invalid, match="more than it has cost already"):
            stage.bd.tasks.retry(id=claimed.task_id, max_cost=Decimal("0.20"))
        again = stage.bd.tasks.retry(id=claimed.task_id, max_cost=Decimal("0.5"))
        assert (again.status, again.max_cost) == (TaskStatus.PENDING, Decimal("0.5"))
        assert again.title == claimed.task.title
        assert again.cost_usd == Decimal("0.2")

    def test_retry_is_the_only_way_back(self, stage: Stage) -> None:
        """It gives all attempts anew, to what failed or was cancelled."""
        claimed, lease = stage.running()
        with pytest.raises(WrongState):
            stage.bd.tasks.retry(id=claimed.task_id)
        lease.workers.fail(id=claimed.id, error="impossible", retryable=False)
        failed = stage.bd.tasks.get(id=claimed.task_id)
        assert (failed.status, failed.error) == (TaskStatus.FAILED, "impossible")
        again = stage.bd.tasks.retry(id=claimed.task_id)
        assert (again.status, again.attempt, again.error) == (TaskStatus.PENDING, 0, None)

    def test_a_task_that_nobody_holds_is_deleted(self, stage: Stage) -> None:
        """A held one is not, nor one that others wait for."""
        claimed, lease = stage.running()
        child = stage.task(depends_on=[claimed.task_id])
        with pytest.raises(WrongState):
            stage.bd.tasks.delete(id=claimed.task_id)
        lease.tasks.release(id=claimed.task_id)
        with pytest.raises(WrongState):
            stage.bd.tasks.delete(id=claimed.task_id)
        stage.bd.tasks.delete(id=child.id)
        assert stage.bd.tasks.delete(id=claimed.task_id).deleted
        with pytest.raises(NotFound):
            stage.bd.tasks.get(id=claimed.task_id)

    def test_the_same_key_makes_one_task(self, stage: Stage) -> None:
        """The first answer comes again; another request under the key is refused."""
        first = stage.task("Once", idempotency_key="delivery 1")
        stage.bd.tasks.cancel(id=first.id)
        assert stage.task("Once", idempotency_key="delivery 1") == first
        with pytest.raises(Invalid, match="Idempotency-Key"):
            stage.task("Twice", idempotency_key="delivery 1")
        assert len(stage.bd.tasks.list()) == 1

    def test_a_batch_is_made_whole_or_not_at_all(self, stage: Stage) -> None:
        """And once, under a key."""
        workspace = stage.workspace.id
        new = [BatchedTask(workspace_id=workspace, title=f"number {n}") for n in range(3)]
        made = stage.bd.tasks.create_many(tasks=new, idempotency_key="all")
        assert [task.title for task in made] == ["number 0", "number 1", "number 2"]
        assert stage.bd.tasks.create_many(tasks=new, idempotency_key="all") == made
        bad = BatchedTask(workspace_id=workspace, title="bad", depends_on=["task_nothing"])
        with pytest.raises(BuilddError):
            stage.bd.tasks.create_many(tasks=[*new, bad])
        assert len(stage.bd.tasks.list()) == len(new)

    def test_a_child_waits_for_all_its_parents(self, stage: Stage) -> None:
        """And is claimable as soon as the last of them is done."""
        parents = [stage.task(), stage.task()]
        child = stage.task(depends_on=[parent.id for parent in parents])
        for _ in parents:
            claimed, lease = stage.claim()
            assert claimed.task_id != child.id
            lease.workers.start(id=claimed.id)
            lease.workers.complete(id=claimed.id)
        assert stage.claim()[0].task_id == child.id

    def test_a_child_falls_with_its_parent_or_runs_anyway(self, stage: Stage) -> None:
        """As it was asked for."""
        parent = stage.task()
        falls = stage.task(depends_on=[parent.id])
        after = stage.task(depends_on=[falls.id])
        runs = stage.task(depends_on=[parent.id], on_dependency_failure=OnDependencyFailure.RUN)
        stage.bd.tasks.cancel(id=parent.id)
        fallen = [stage.bd.tasks.get(id=task.id).status for task in (falls, after)]
        assert fallen == [TaskStatus.FAILED, TaskStatus.FAILED]
        assert stage.claim()[0].task_id == runs.id
        with pytest.raises(Invalid):
            stage.task(depends_on=[parent.id])

    def test_why_says_what_is_not_met(self, stage: Stage) -> None:
        """Nothing unmet means that the account may take it."""
        parent = stage.task()
        assert stage.bd.tasks.why(id=parent.id).claimable
        blocked = stage.task(
            runner_preference=RunnerPreference.ACTION,
            required_capabilities=["gpu"],
            depends_on=[parent.id],
            not_before=datetime.now(UTC) + timedelta(hours=1),
            max_cost=Decimal(51),
        )
        why = stage.bd.tasks.why(id=blocked.id)
        [mine] = why.accounts
        assert not why.claimable
        assert {reason.code for reason in mine.unmet} == {
            ReasonCode.NOT_READY,
            ReasonCode.NOT_YET,
            ReasonCode.WRONG_ROUTE,
            ReasonCode.MISSING_CAPABILITIES,
            ReasonCode.NO_BUDGET,
        }

    def test_a_schedule_is_kept_changed_and_removed(self, stage: Stage) -> None:
        """Its next time is known, and a wrong one is refused by its field."""
        workspace = stage.workspace.id
        task: dict[str, JsonValue] = {"title": "Update", "priority": 2}
        made = stage.bd.schedules.create(
            workspace_id=workspace, name="nightly", cron="30 4 * * *", task=task
        )
        assert made.next_run_at is not None
        assert (made.next_run_at.hour, made.next_run_at.minute) == (4, 30)
        assert stage.bd.schedules.update(id=made.id, enabled=False).next_run_at is None
        assert stage.bd.schedules.list(workspace_id=workspace) == [
            stage.bd.schedules.get(id=made.id)
        ]
        for wrong in ({"cron": "often"}, {"timezone": "Mars"}, {"task": {"priority": 1}}):
            with pytest.raises(Invalid, match=next(iter(wrong))):
                stage.bd.schedules.update(id=made.id, **wrong)
        assert stage.bd.schedules.delete(id=made.id).deleted
        assert stage.bd.schedules.list() == []

    def test_over_is_over(self, stage: Stage) -> None:
        """A completed task never changes again."""
        claimed, lease = stage.running()
        lease.workers.complete(id=claimed.id, result={"commits": 1})
        task = stage.bd.tasks.get(id=claimed.task_id)
        assert task.status in CLOSED
        for verb in (stage.bd.tasks.retry, stage.bd.tasks.cancel, stage.bd.tasks.release):
            with pytest.raises(WrongState):
                verb(id=task.id)
        assert stage.bd.tasks.get(id=task.id) == task
