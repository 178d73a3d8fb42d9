"""Attempts: under their lease, and only under it; ended once, paid once."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from buildd.budget import ZERO
from buildd.errors import Forbidden, Invalid, LeaseLost, NotFound, WrongState
from buildd.models import ArtifactType, Order, QuestionType, Role, Selection
from buildd.operations.records import BatchedMessage
from buildd.operations.workers import (
    BatchedFailure,
    BatchedSign,
    BatchedStart,
    BatchedSuccess,
)
from buildd.states import TaskStatus, WorkerStatus
from buildd.testing.conformance.stage import Stage, StageSuite


class AttemptSuite(StageSuite):
    """From the lease to the end of an attempt."""

    def test_an_attempt_from_start_to_result(self, stage: Stage) -> None:
        """The task follows its worker."""
        task = stage.task(max_cost=Decimal(2))
        claimed, lease = stage.claim()
        assert lease.workers.start(id=claimed.id).status is WorkerStatus.STARTING
        assert stage.bd.tasks.get(id=task.id).status is TaskStatus.ASSIGNED
        beat = lease.workers.heartbeat(
            id=claimed.id, status="running", progress=10, cost_usd=Decimal("0.5"), turns=2
        )
        assert (beat.orders, beat.lease.epoch) == ([], claimed.lease.epoch)
        assert stage.bd.tasks.get(id=task.id).status is TaskStatus.RUNNING
        assert stage.spent() == (Decimal("0.5"), Decimal("1.5"))
        done = lease.workers.complete(id=claimed.id, result={"commits": 1})
        assert (done.status, done.progress, done.turns) == (WorkerStatus.COMPLETED, 100, 2)
        over = stage.bd.tasks.get(id=task.id)
        assert (over.status, over.result) == (TaskStatus.COMPLETED, {"commits": 1})
        assert (over.cost_usd, *stage.spent()) == (Decimal("0.5"), Decimal("0.5"), ZERO)
        books = stage.bd.accounts.get(id=stage.account.id)
        assert (books.live_workers, books.total_tasks) == (0, 1)

    def test_one_result_is_accepted_and_its_report_may_come_again(self, stage: Stage) -> None:
        """The same report has the same answer; any other is too late."""
        claimed, lease = stage.running()
        done = lease.workers.complete(id=claimed.id, result={"commits": 1})
        assert lease.workers.complete(id=claimed.id, result={"commits": 1}) == done
        for other in (
            lambda: lease.workers.complete(id=claimed.id, result={"commits": 2}),
            lambda: lease.workers.fail(id=claimed.id, error="no"),
            lambda: lease.workers.heartbeat(id=claimed.id),
        ):
            with pytest.raises(LeaseLost) as lost:
                other()
            assert lost.value.details["reason"] == "completed"

    def test_a_failure_may_come_again_too(self, stage: Stage) -> None:
        """And counts once."""
        claimed, lease = stage.running(max_attempts=2)
        failed = lease.workers.fail(id=claimed.id, error="flaky")
        assert lease.workers.fail(id=claimed.id, error="flaky") == failed
        task = stage.bd.tasks.get(id=claimed.task_id)
        assert (task.status, task.attempt, task.error) == (TaskStatus.PENDING, 1, "flaky")
        assert task.not_before is not None

    def test_attempts_are_used_up(self, stage: Stage) -> None:
        """The last failure is the task's."""
        claimed, lease = stage.running(max_attempts=1)
        lease.workers.fail(id=claimed.id, error="flaky")
        task = stage.bd.tasks.get(id=claimed.task_id)
        assert task.status is TaskStatus.FAILED
        assert "flaky" in (task.error or "")

    def test_verbs_that_do_not_apply_change_nothing(self, stage: Stage) -> None:
        """They are refused with the present status."""
        stage.task()
        claimed, lease = stage.claim()
        before = stage.bd.workers.get(id=claimed.id)
        for verb in (
            lambda: lease.workers.complete(id=claimed.id),
            lambda: lease.workers.heartbeat(id=claimed.id, status="running", cost_usd=Decimal(1)),
            lambda: lease.workers.ask(id=claimed.id, type=QuestionType.QUESTION, prompt="?"),
            lambda: stage.bd.workers.answer(id=claimed.id, content="yes"),
        ):
            with pytest.raises(WrongState):
                verb()
        assert stage.bd.workers.get(id=claimed.id) == before
        assert stage.spent() == (ZERO, ZERO)

    def test_costs_are_totals_and_are_booked_once(self, stage: Stage) -> None:
        """However often and in whatever order they come, and after the end too."""
        claimed, lease = stage.running(max_cost=Decimal(3))
        for total in ("1", "0.5", "1", "2.000001", "2"):
            lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal(total))
        assert stage.spent() == (Decimal("2.000001"), Decimal("0.999999"))
        over = lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal(4))
        assert over.orders == [Order.BUDGET_EXHAUSTED]
        lease.workers.fail(id=claimed.id, error="too dear")
        with pytest.raises(LeaseLost):
            lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal("4.25"))
        assert stage.spent() == (Decimal("4.25"), ZERO)

    def test_the_day_budget_asks_a_person(self, stage: Stage) -> None:
        """Who lets the attempt go on, or gives its task back."""
        stage.bd.accounts.update(id=stage.account.id, max_cost_per_day=Decimal(5))
        claimed, lease = stage.running()
        asked = lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal(6))
        assert asked.orders == [Order.PAUSE]
        assert lease.workers.pause(id=claimed.id).waiting_for is not None
        with pytest.raises(Invalid, match="content"):
            stage.bd.workers.answer(id=claimed.id, content="perhaps")
        going = stage.bd.workers.answer(id=claimed.id, content="go on")
        assert going.status is WorkerStatus.STARTING
        again, lease = stage.claim()
        assert again.id == claimed.id
        assert lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal(9)).orders == []

    def test_a_question_is_answered(self, stage: Stage) -> None:
        """The answer is a message, which comes until it was processed."""
        claimed, lease = stage.running()
        asked = lease.workers.ask(
            id=claimed.id, type=QuestionType.PERMISSION, prompt="Push?", options=["yes", "no"]
        )
        assert asked.status is WorkerStatus.WAITING_INPUT
        assert asked.waiting_for is not None
        assert asked.waiting_for.options == ["yes", "no"]
        assert stage.bd.workers.answer(id=claimed.id, content="yes").waiting_for is None
        [answer] = lease.workers.heartbeat(id=claimed.id).messages
        assert (answer.role, answer.answers, answer.content) == (Role.USER, "Push?", "yes")
        assert lease.workers.heartbeat(id=claimed.id, messages_after=answer.id).messages == []

    def test_a_pause_is_asked_for_and_confirmed(self, stage: Stage) -> None:
        """Slot and lease are free, the task is kept; resuming takes a fresh lease."""
        claimed, lease = stage.running()
        assert stage.bd.workers.pause(id=claimed.id).status is WorkerStatus.RUNNING
        assert lease.workers.heartbeat(id=claimed.id).orders == [Order.PAUSE]
        assert lease.workers.pause(id=claimed.id).status is WorkerStatus.PAUSED
        assert stage.bd.tasks.get(id=claimed.task_id).status is TaskStatus.ASSIGNED
        assert stage.bd.accounts.get(id=stage.account.id).live_workers == 0
        with pytest.raises(LeaseLost) as lost:
            lease.workers.heartbeat(id=claimed.id)
        assert lost.value.details["reason"] == "paused"
        assert stage.agent.workers.claim().workers == []
        assert stage.bd.workers.start(id=claimed.id).status is WorkerStatus.STARTING
        again, resumed = stage.claim(task_id=claimed.task_id)
        assert (again.id, again.branch) == (claimed.id, claimed.branch)
        assert again.lease.epoch > claimed.lease.epoch
        with pytest.raises(LeaseLost) as lost:
            lease.workers.complete(id=claimed.id)
        assert lost.value.details["reason"] == "superseded"
        assert resumed.workers.complete(id=claimed.id).status is WorkerStatus.COMPLETED

    def test_a_paused_worker_resumes_within_the_limits(self, stage: Stage) -> None:
        """Or not at all."""
        stage.bd.accounts.update(id=stage.account.id, max_concurrent_workers=1)
        claimed, lease = stage.running()
        lease.workers.pause(id=claimed.id)
        other, _ = stage.running()
        with pytest.raises(WrongState, match="paused"):
            stage.bd.workers.pause(id=claimed.id)
        with pytest.raises(Exception, match="slots"):
            stage.bd.workers.start(id=claimed.id)
        stage.bd.workers.cancel(id=other.id)
        assert stage.bd.workers.start(id=claimed.id).status is WorkerStatus.STARTING

    def test_cancel_reaches_the_agent(self, stage: Stage) -> None:
        """With its next heartbeat, whose cost is booked; all else is too late."""
        claimed, lease = stage.running(max_cost=Decimal(5))
        stage.bd.tasks.cancel(id=claimed.task_id)
        assert stage.spent() == (ZERO, ZERO)
        told = lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal(1))
        assert told.orders == [Order.CANCEL]
        assert stage.spent() == (Decimal(1), ZERO)
        with pytest.raises(LeaseLost) as lost:
            lease.workers.complete(id=claimed.id)
        assert lost.value.details["reason"] == "cancelled"

    def test_a_cancelled_worker_gives_its_task_back(self, stage: Stage) -> None:
        """For another attempt."""
        claimed, _ = stage.running()
        ended = stage.bd.workers.cancel(id=claimed.id)
        assert (ended.status, ended.error_code) == (WorkerStatus.ERROR, "cancelled")
        assert stage.bd.tasks.get(id=claimed.task_id).status is TaskStatus.PENDING
        with pytest.raises(WrongState):
            stage.bd.workers.cancel(id=claimed.id)

    def test_a_task_is_handed_back_and_a_drain_refunds(self, stage: Stage) -> None:
        """By its attempt, its account or an administrator, and by nobody else."""
        claimed, lease = stage.running(max_attempts=2)
        back = lease.tasks.release(id=claimed.task_id, reason="drain")
        assert (back.status, back.attempt) == (TaskStatus.PENDING, 0)
        stage.claim()
        with pytest.raises(Invalid, match="reason"):
            stage.agent.tasks.release(id=claimed.task_id, reason="drain")
        stranger = stage.bd.with_key(stage.hire().api_key)
        with pytest.raises(Forbidden):
            stranger.tasks.release(id=claimed.task_id)
        assert stage.agent.tasks.release(id=claimed.task_id).attempt == 1
        again, _ = stage.claim()
        assert stage.bd.tasks.release(id=again.task_id).status is TaskStatus.PENDING
        with pytest.raises(WrongState):
            stage.bd.tasks.release(id=again.task_id)

    def test_reports_in_a_batch_are_accepted_one_by_one(self, stage: Stage) -> None:
        """Each under its own token."""
        attempts = [stage.running()[0] for _ in range(3)]
        first, second, third = attempts
        told = stage.agent.workers.report(
            reports=[
                BatchedSign(verb="heartbeat", id=first.id, token=first.lease.token, progress=50),
                BatchedSuccess(verb="complete", id=second.id, token=second.lease.token),
                BatchedFailure(verb="fail", id=third.id, token=third.lease.token, error="no"),
                BatchedStart(verb="start", id=third.id, token=first.lease.token),
            ]
        )
        assert [report.id for report in told] == [first.id, second.id, third.id, third.id]
        assert [report.error and report.error.code for report in told[:3]] == [None] * 3
        assert told[3].error is not None
        assert told[3].error.code == NotFound.code
        statuses = [stage.bd.workers.get(id=attempt.id).status for attempt in attempts]
        assert statuses == [WorkerStatus.RUNNING, WorkerStatus.COMPLETED, WorkerStatus.ERROR]

    def test_what_an_attempt_shows_and_says(self, stage: Stage) -> None:
        """Artifacts, comments that reach it, and messages."""
        claimed, lease = stage.running()
        artifact = lease.artifacts.create(
            worker_id=claimed.id, type=ArtifactType.DIFF, title="Fix", content="- a\n+ b"
        )
        assert stage.bd.artifacts.list(worker_id=claimed.id) == [artifact]
        assert lease.artifacts.get(id=artifact.id) == artifact
        comment = stage.bd.comments.create(
            artifact_id=artifact.id,
            content="Better so",
            selection=Selection(start=0, end=3, text="- a"),
        )
        [heard] = lease.workers.heartbeat(id=claimed.id).messages
        assert heard.content == "Comment on Fix: \n> - a\n\nBetter so"
        resolved = stage.bd.comments.update(id=comment.id, resolved=True)
        assert stage.bd.comments.list(artifact_id=artifact.id) == [resolved]
        with pytest.raises(Forbidden):
            stage.agent.comments.update(id=comment.id, content="Not mine")
        said = lease.messages.create(worker_id=claimed.id, content="Done.", role=Role.ASSISTANT)
        assert stage.bd.messages.list(worker_id=claimed.id)[0] == said
        with pytest.raises(Forbidden):
            stage.bd.messages.create(worker_id=claimed.id, content="I?", role=Role.ASSISTANT)
        lease.workers.complete(id=claimed.id)
        with pytest.raises(LeaseLost):
            lease.messages.create(worker_id=claimed.id, content="And another thing")

    def test_many_things_are_said_at_once(self, stage: Stage) -> None:
        """In their order, once under a key, and all of them or none."""
        claimed, lease = stage.running()
        lines = [BatchedMessage(content=f"line {n}") for n in range(100)]
        say = partial(lease.messages.create_many, worker_id=claimed.id)
        made = say(messages=lines, idempotency_key="all")
        assert say(messages=lines, idempotency_key="all") == made
        bad: Any = [{"content": "good"}, {"content": "bad", "toolName": ""}]
        with pytest.raises(Invalid, match=r"^messages\.1\.toolName: "):
            say(messages=bad)
        heard = stage.bd.messages.list(worker_id=claimed.id, limit=200)[::-1]
        assert [message.content for message in heard] == [line.content for line in lines]
        assert [message.id for message in heard] == [each.id for each in made]

    def test_workers_are_listed_and_filtered(self, stage: Stage) -> None:
        """Newest first."""
        first, lease = stage.running()
        lease.workers.complete(id=first.id)
        second, _ = stage.running()
        workers = stage.bd.workers
        assert [worker.id for worker in workers.list()] == [second.id, first.id]
        assert [w.id for w in workers.list(status=WorkerStatus.RUNNING)] == [second.id]
        assert [w.id for w in workers.list(task_id=first.task_id)] == [first.id]
        assert [w.id for w in workers.list(account_id=stage.account.id, limit=1)] == [second.id]
        assert workers.list(workspace_id="ws_nothing") == []
