"""Tasks and schedules: what the operations on them ought to do to the model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from buildd import operations as ops
from buildd.models import Why
from buildd.states import CLOSED, TASK, OnDependencyFailure, TaskStatus, TaskVerb, WorkerStatus
from tests.model.things import Schedule, Task
from tests.model.words import LEASE, Caller, RefusalError, Words, accepted, agree, does

TASK_FIELDS = (
    "title",
    "priority",
    "runner_preference",
    "required_capabilities",
    "max_attempts",
    "max_cost",
    "timeout_seconds",
    "on_dependency_failure",
)


class TaskSpec(Words):
    """What people do."""

    @does(ops.CreateTask)
    def create_task(self, op: ops.CreateTask, caller: Caller, got: Any) -> None:
        self._check_create(caller, op.workspace_id)
        if not self._is_repeated(op, caller, got):
            self._check_parents(op)
            self.put(op, accepted(got).id)
            self._remember(op, caller, got)

    @does(ops.CreateTasks)
    def create_tasks(self, op: ops.CreateTasks, caller: Caller, got: Any) -> None:
        for new in op.tasks:
            self._check_create(caller, new.workspace_id)
        if not self._is_repeated(op, caller, got):
            for new in op.tasks:
                self._check_parents(new)
            for new, made in zip(op.tasks, accepted(got), strict=True):
                self.put(new, made.id)
            self._remember(op, caller, got)

    def put(self, new: ops.NewTask, task_id: str) -> None:
        parents = tuple(sorted(set(new.depends_on)))
        self.world.tasks[task_id] = Task(
            task_id,
            self.world.next_number(),
            new.workspace_id,
            {name: getattr(new, name) for name in TASK_FIELDS},
            parents,
            {parent for parent in parents if self.world.tasks[parent].status not in CLOSED},
            not_before=new.not_before,
        )

    def _check_create(self, caller: Caller, workspace: str) -> None:
        if not self.world.sees(caller.viewer, workspace):
            raise RefusalError("not_found")
        if not self.world.may_create(caller.viewer, workspace):
            raise RefusalError("forbidden")

    def _check_parents(self, new: ops.NewTask) -> None:
        for parent in new.depends_on:
            known = self.world.tasks.get(parent)
            if known is None or known.workspace != new.workspace_id:
                raise RefusalError("invalid")
            fails_too = new.on_dependency_failure is OnDependencyFailure.FAIL
            if fails_too and known.status in {TaskStatus.FAILED, TaskStatus.CANCELLED}:
                raise RefusalError("invalid")

    def _is_repeated(self, op: ops.CreateTask | ops.CreateTasks, caller: Caller, got: Any) -> bool:
        known = self.world.remembered.get((str(caller.account), str(op.idempotency_key)))
        if known is None or known[2] < self.world.now - timedelta(hours=24):
            return False
        if known[0] != op:
            raise RefusalError("invalid")
        agree(accepted(got), known[1])
        return True

    def _remember(self, op: ops.CreateTask | ops.CreateTasks, caller: Caller, got: Any) -> None:
        if op.idempotency_key is not None:
            key = (str(caller.account), op.idempotency_key)
            self.world.remembered[key] = (op, got, self.world.now)

    @does(ops.CreateSchedule)
    def create_schedule(self, op: ops.CreateSchedule, caller: Caller, got: Any) -> None:
        self._check_create(caller, op.workspace_id)
        due = self.world.next_time()
        agree(accepted(got).next_run_at, due)
        self.world.schedules[got.id] = Schedule(got.id, op.workspace_id, due)

    @does(ops.DeleteSchedule)
    def delete_schedule(self, op: ops.DeleteSchedule, caller: Caller, got: Any) -> None:
        known = self.world.schedules.get(op.id)
        if known is None or not self.world.sees(caller.viewer, known.workspace):
            raise RefusalError("not_found")
        self._check_create(caller, known.workspace)
        accepted(got)
        del self.world.schedules[op.id]

    @does(ops.UpdateTask)
    def update_task(self, op: ops.UpdateTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        if task.status is not TaskStatus.PENDING:
            raise RefusalError("wrong_state")
        accepted(got)
        changes = op.changes()
        task.not_before = changes.pop("not_before", task.not_before)
        task.fields.update(changes)

    @does(ops.DeleteTask)
    def delete_task(self, op: ops.DeleteTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        if not self.world.may_create(caller.viewer, task.workspace):
            raise RefusalError("forbidden")
        waited_for = task.status is not TaskStatus.COMPLETED and self.world.children(task.id)
        if waited_for or task.worker is not None:
            raise RefusalError("wrong_state")
        accepted(got)
        self.world.forget(task.id)

    @does(ops.CancelTask)
    def cancel_task(self, op: ops.CancelTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        if not TASK.allows(TaskVerb.CANCEL, task.status):
            raise RefusalError("wrong_state")
        accepted(got)
        if task.worker is not None:
            worker = self.world.workers[task.worker]
            self.world.stand_down(worker, WorkerStatus.ERROR)
            worker.code = "cancelled"
        self.world.close(task, TaskStatus.CANCELLED)
        self.world.fail_children(task)

    @does(ops.RetryTask)
    def retry_task(self, op: ops.RetryTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        stuck = any(self.world.tasks[parent].status in CLOSED for parent in task.waits)
        if stuck or not TASK.allows(TaskVerb.RETRY, task.status):
            raise RefusalError("wrong_state")
        accepted(got)
        self.world.put_back(task)
        task.attempt, task.not_before = 0, None

    @does(ops.ReleaseTask)
    def release_task(self, op: ops.ReleaseTask, caller: Caller, got: Any) -> None:
        if caller.kind is LEASE:
            worker = self._own(caller, task=op.id)
            self._held(worker, caller)
        else:
            task = self._task(op.id, caller)
            if caller.viewer is not None and task.claimed_by not in {None, caller.viewer}:
                raise RefusalError("forbidden")
            if op.reason is not None:
                raise RefusalError("invalid")
            if task.worker is None:
                raise RefusalError("wrong_state")
            worker = self.world.workers[task.worker]
        accepted(got)
        drained = caller.kind is LEASE and op.reason == "drain"
        self.world.end(worker, "released", always=caller.kind is not LEASE, refund=drained)

    @does(ops.WhyTask)
    def why_task(self, op: ops.WhyTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        why: Why = accepted(got)
        accounts = [a for a in self.world.accounts.values() if caller.viewer in {None, a.id}]
        hired = [account for account in accounts if not account.deleted]
        want = {a.id: set(self.world.unmet(a, task, None)) for a in hired}
        agree({a.account_id: {str(r.code) for r in a.unmet} for a in why.accounts}, want)
        agree(why.claimable, not all(want.values()))
