"""Claims: what they ought to bring, told on the model."""

from __future__ import annotations

from typing import Any

from buildd import operations as ops
from buildd.models import Claim, Claimed
from buildd.states import TaskStatus, WorkerStatus
from tests.model.things import Account, Task, Worker
from tests.model.words import LEASE, Caller, RefusalError, Words, accepted, agree, does


class ClaimSpec(Words):
    """What agents take."""

    @does(ops.ClaimTasks)
    def claim_tasks(self, op: ops.ClaimTasks, caller: Caller, got: Any) -> None:
        account = self.world.accounts[str(caller.account)]
        full = self.world.is_run_full(account, op.run_id)
        if op.task_id is not None and not full and not self._may_ask_for(op, account):
            raise RefusalError("not_found")
        claim: Claim = accepted(got)
        if op.agent_id is not None:
            account.offers[op.agent_id] = (frozenset(op.capabilities), self.world.now)
        for claimed in claim.workers:
            assert not self.world.is_run_full(account, op.run_id)
            self._take(op, account, claimed)
        if len(claim.workers) < op.max_tasks and not self.world.is_run_full(account, op.run_id):
            agree(self._next(op, account), None)
        agree(str(claim.reason and claim.reason.code), str(self._reason(op, account, claim)))

    @does(ops.CreateWorker)
    def create_worker(self, op: ops.CreateWorker, caller: Caller, got: Any) -> None:
        if caller.viewer is None and op.account_id is None:
            raise RefusalError("invalid")
        if caller.viewer is not None and op.account_id not in {None, caller.viewer}:
            raise RefusalError("forbidden")
        account = self.world.accounts[str(op.account_id or caller.viewer)]
        if account.deleted:
            raise RefusalError("not_found")
        claim = ops.ClaimTasks(workspace_id=op.workspace_id, task_id=op.task_id)
        if self.world.is_run_full(account, None):
            raise RefusalError("not_claimable")
        if self._next(claim, account) is None:
            seen = self._may_ask_for(claim, account)
            raise RefusalError("not_claimable" if seen else "not_found")
        self._take(claim, account, accepted(got))

    def _may_ask_for(self, op: ops.ClaimTasks, account: Account) -> bool:
        task = self.world.tasks.get(str(op.task_id))
        if task is not None and self.world.sees(account.id, task.workspace):
            return True
        return self._next(op, account) is not None  # it was resumed, and the grant is gone since

    def _next(self, op: ops.ClaimTasks, account: Account) -> Worker | Task | None:
        """What the next attempt is at: one to take up again, or a task, by priority and then age."""
        wanted = (op.workspace_id, op.task_id)
        resumed = [
            worker
            for worker in self.world.workers.values()
            if worker.account == account.id
            and worker.status is WorkerStatus.STARTING
            and not worker.held
            and wanted[0] in {None, worker.workspace}
            and wanted[1] in {None, worker.task}
        ]
        free = [
            task
            for task in self.world.tasks.values()
            if wanted[0] in {None, task.workspace}
            and wanted[1] in {None, task.id}
            and next(self.world.unmet(account, task, op.capabilities), None) is None
        ]
        first = sorted(free, key=lambda task: (-task.fields["priority"], task.number))
        if resumed:
            return min(resumed, key=lambda worker: worker.id)
        return first[0] if first else None

    def _take(self, op: ops.ClaimTasks, account: Account, claimed: Claimed) -> None:
        found = self._next(op, account)
        until = self.world.now + self.world.ttl
        if isinstance(found, Worker):
            worker = found
            worker.held = True
            worker.expires = until
        else:
            assert found is not None, f"{claimed.task_id} was not claimable"
            agree(claimed.task_id, found.id)
            found.status, found.worker = TaskStatus.ASSIGNED, claimed.id
            found.claimed_by = account.id
            found.epoch += 1
            found.attempt += 1
            amount = self.world.estimate(account, found)
            worker = self.world.workers[claimed.id] = Worker(
                claimed.id,
                found.id,
                found.workspace,
                account.id,
                found.epoch,
                until,
                amount,
                self.world.today,
                self.world.now,
                run=op.run_id,
            )
        worker.agent = op.agent_id
        worker.deadline = self.world.deadline(self.world.tasks[worker.task])
        agree(claimed.id, worker.id)
        agree(claimed.lease.epoch, worker.epoch)
        agree(claimed.lease.expires_at, worker.expires)
        agree(claimed.worker.status, worker.status)
        self._hand_out(claimed)

    def _hand_out(self, claimed: Claimed) -> None:
        token, epoch = claimed.lease.token, claimed.lease.epoch
        self.holders[token] = Caller(LEASE, claimed.worker.account_id, claimed.id, epoch, token)

    def _reason(  # noqa: PLR0911 - a table of reasons
        self, op: ops.ClaimTasks, account: Account, claim: Claim
    ) -> str | None:
        if claim.workers:
            return None
        if self.world.is_run_full(account, op.run_id):
            return "run_limit"
        if op.task_id is not None:
            unmet = self.world.unmet(account, self.world.tasks[op.task_id], op.capabilities)
            return next(unmet, "no_work")
        if account.draining:
            return "draining"
        if self.world.live(account.id) >= account.slots:
            return "no_slot"
        grants = {ws for ws, (may_claim, _) in account.grants.items() if may_claim}
        if not grants or op.workspace_id not in {None, *grants}:
            return "no_grant"
        return "no_budget" if self.world.used(account.id) >= account.cap else "no_work"
