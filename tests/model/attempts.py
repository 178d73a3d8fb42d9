"""Attempts: what their agents and people ought to be able to do to them, told on the model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from buildd import operations as ops
from buildd.models import Order
from buildd.states import WORKER, TaskStatus, WorkerStatus, WorkerVerb
from tests.model.things import ZERO, Worker
from tests.model.words import LEASE, Caller, RefusalError, Words, accepted, agree, beat, does


class AttemptSpec(Words):
    """What happens between a claim and its end."""

    @does(ops.StartWorker)
    def start_worker(self, op: ops.StartWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if caller.kind is LEASE:
            self._held(worker, caller)
        elif worker.status is WorkerStatus.PAUSED:
            self._resume(worker, got)
            return
        self._step(worker, WorkerVerb.START, got)

    @does(ops.Heartbeat)
    def heartbeat(self, op: ops.Heartbeat, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if self._holds(worker, caller):
            if op.status is not None and worker.status is WorkerStatus.IDLE:
                raise RefusalError("wrong_state")
            self._renew(op, worker)
            self._begin_work(op, worker)
            agree(beat(got), (self._orders(worker), worker.told, worker.epoch, worker.expires))
            return
        if op.cost_usd is not None:
            self.world.book(worker, op.cost_usd)
        told = worker.code == "cancelled" and worker.epoch == caller.epoch
        if not (told and self.world.now < worker.expires):
            raise RefusalError("lease_lost", self._why_lost(worker))
        agree(beat(got), ([Order.CANCEL], worker.told, worker.epoch, worker.expires))

    @does(ops.AskWorker)
    def ask_worker(self, op: ops.AskWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        self._held(worker, caller)
        self._step(worker, WorkerVerb.ASK, got)
        worker.question = "agent"

    @does(ops.AnswerWorker)
    def answer_worker(self, op: ops.AnswerWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if worker.question == "budget":
            self._answer_about_budget(op, worker, got)
            return
        self._step(worker, WorkerVerb.ANSWER, got)
        worker.told += 1
        worker.question = None
        worker.deadline = self.world.deadline(self.world.tasks[worker.task])

    @does(ops.PauseWorker)
    def pause_worker(self, op: ops.PauseWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if caller.kind is LEASE:
            self._held(worker, caller)
        elif not worker.live:
            raise RefusalError("wrong_state")
        elif worker.status is not WorkerStatus.IDLE:
            accepted(got)
            worker.pause_asked = worker.pause_asked or self.world.now
            return
        accepted(got)
        self.world.pause(worker)

    @does(ops.CompleteWorker)
    def complete_worker(self, op: ops.CompleteWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if self._repeats(op, worker, caller, got):
            return
        task = self.world.tasks[worker.task]
        if not WORKER.allows(WorkerVerb.COMPLETE, worker.status):
            raise RefusalError("wrong_state")
        accepted(got)
        self.world.stand_down(worker, WorkerStatus.COMPLETED)
        self.world.accounts[worker.account].done += 1
        worker.report = op
        worker.progress = 100
        self.world.accepted[task.id] += 1
        self.world.close(task, TaskStatus.COMPLETED)
        for child in self.world.children(task.id):
            self.world.release(child, task.id)

    @does(ops.FailWorker)
    def fail_worker(self, op: ops.FailWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if self._repeats(op, worker, caller, got):
            return
        accepted(got)
        worker.report = op
        self.world.end(worker, "failed", wait=True, never=not op.retryable)

    @does(ops.CancelWorker)
    def cancel_worker(self, op: ops.CancelWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if not worker.holding:
            raise RefusalError("wrong_state")
        accepted(got)
        self.world.end(worker, "cancelled", wait=True)

    def _renew(self, op: ops.Heartbeat, worker: Worker) -> None:
        known = worker.cost
        if op.cost_usd is not None:
            self.world.book(worker, op.cost_usd)
        over = worker.cost > known and self._is_over(worker)
        free = worker.question is None and worker.pause_asked is None
        if over and free and not worker.may_overspend:
            worker.question, worker.pause_asked = "budget", self.world.now
        worker.expires = max(worker.expires, self.world.now + self.world.ttl)
        worker.progress = worker.progress if op.progress is None else op.progress
        worker.turns = max(worker.turns, op.turns or 0)

    def _is_over(self, worker: Worker) -> bool:
        """Whether a budget of the day is exceeded."""
        account = self.world.accounts[worker.account]
        cap = self.world.workspaces[worker.workspace].cap
        return self.world.used(account.id) > account.cap or (
            cap is not None and self.world.used(worker.workspace) > cap
        )

    def _begin_work(self, op: ops.Heartbeat, worker: Worker) -> None:
        if op.status is not None and worker.status is WorkerStatus.STARTING:
            worker.status = WorkerStatus.RUNNING
            self.world.tasks[worker.task].status = TaskStatus.RUNNING

    def _orders(self, worker: Worker) -> list[Order]:
        orders = [] if worker.pause_asked is None else [Order.PAUSE]
        task = self.world.tasks[worker.task]
        cap = task.fields["max_cost"]
        account = self.world.accounts[worker.account]
        run = [
            w for w in self.world.workers.values() if (w.account, w.run) == (account.id, worker.run)
        ]
        used = sum((w.cost + w.reserved for w in run), ZERO)
        run_cap = None if worker.run is None else account.cost_per_run
        if (cap is not None and task.cost > cap) or (run_cap is not None and used > run_cap):
            orders.append(Order.BUDGET_EXHAUSTED)
        return [*orders, Order.DRAIN] if account.draining else orders

    def _answer_about_budget(self, op: ops.AnswerWorker, worker: Worker, got: Any) -> None:
        if op.content == "stop":
            accepted(got)
            self.world.end(worker, "budget_exhausted", always=True)
        elif op.content != "go on":
            raise RefusalError("invalid")
        elif worker.status is WorkerStatus.PAUSED:
            self._resume(worker, got, may_overspend=True)
        else:
            accepted(got)
            worker.may_overspend, worker.question, worker.pause_asked = True, None, None

    def _resume(self, worker: Worker, got: Any, *, may_overspend: bool = False) -> None:
        account = self.world.accounts[worker.account]
        workspace = self.world.workspaces[worker.workspace]
        task = self.world.tasks[worker.task]
        amount = self.world.estimate(account, task)
        full = self.world.live(account.id) >= account.slots or (
            workspace.slots is not None and self.world.live(workspace.id) >= workspace.slots
        )
        poor = not (
            self.world.affords(account.id, account.cap, amount)
            and self.world.affords(workspace.id, workspace.cap, amount)
        )
        may_overspend = may_overspend or worker.may_overspend
        if full or account.draining or account.deleted or (poor and not may_overspend):
            raise RefusalError("not_claimable")
        accepted(got)
        worker.may_overspend, worker.question, worker.deadline = may_overspend, None, None
        task.epoch += 1
        worker.epoch, worker.status = task.epoch, WorkerStatus.STARTING
        worker.reserved, worker.reserved_on = amount, self.world.today
        worker.expires = self.world.now + timedelta(seconds=self.world.ttl.total_seconds() * 10)
