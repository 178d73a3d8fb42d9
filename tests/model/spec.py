"""What each operation ought to answer and to change, told on the model of `world`.

A handler first says how the operation is refused, if it is, and only then looks at the broker's
answer, for what it cannot know: ids, and how long chance lets a task wait.
"""

from __future__ import annotations

from datetime import timedelta
from functools import singledispatchmethod
from typing import Any, NamedTuple

from buildd import operations as ops
from buildd.broker import PrincipalKind
from buildd.errors import BuilddError
from buildd.models import Beat, Claim, Claimed, Order, Why
from buildd.operations import Access, Operation
from buildd.states import TASK, WORKER, TaskStatus, TaskVerb, WorkerStatus, WorkerVerb
from tests.model.world import ZERO, Account, Schedule, Task, Worker, World

ADMIN, ACCOUNT, LEASE = PrincipalKind.ADMIN, PrincipalKind.ACCOUNT, PrincipalKind.LEASE

CALLERS = {
    Access.ADMIN: {ADMIN},
    Access.ACCOUNT: {ACCOUNT},
    Access.MEMBER: {ADMIN, ACCOUNT},
    Access.READER: {ADMIN, ACCOUNT, LEASE},
    Access.LEASE: {LEASE},
    Access.MEMBER_OR_LEASE: {ADMIN, ACCOUNT, LEASE},
}
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


class Caller(NamedTuple):
    """Who asks, and with which secret; a lease's epoch is the one its token was made for."""

    kind: PrincipalKind
    account: str | None = None
    worker: str | None = None
    epoch: int | None = None
    key: str = ""

    @property
    def viewer(self) -> str | None:
        return self.account if self.kind is ACCOUNT else None


class RefusalError(Exception):
    """The model says that the operation is refused with this code."""

    def __init__(self, code: str, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Spec:
    """The operations, on a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def do(self, op: Operation[Any], caller: Caller, got: Any) -> Any:
        """Say what the operation answers, and do it. Raises `RefusalError`."""
        if caller.kind not in CALLERS[op.access]:
            raise RefusalError("forbidden")
        return self._do(op, caller, got)

    @singledispatchmethod
    def _do(self, op: Any, caller: Caller, got: Any) -> Any:
        raise NotImplementedError(type(op).__name__)

    # Tasks

    @_do.register
    def _(self, op: ops.CreateTask, caller: Caller, got: Any) -> None:
        self._check_create(caller, op.workspace_id)
        if not self._is_repeated(op, caller, got):
            self._check_parents(op)
            self.put(op, accepted(got).id)
            self._remember(op, caller, got)

    @_do.register
    def _(self, op: ops.CreateTasks, caller: Caller, got: Any) -> None:
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
        done = TaskStatus.COMPLETED
        self.world.tasks[task_id] = Task(
            task_id,
            self.world.next_number(),
            new.workspace_id,
            {name: getattr(new, name) for name in TASK_FIELDS},
            parents,
            {parent for parent in parents if self.world.tasks[parent].status is not done},
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
            if known.status in {TaskStatus.FAILED, TaskStatus.CANCELLED}:
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

    @_do.register
    def _(self, op: ops.CreateSchedule, caller: Caller, got: Any) -> None:
        self._check_create(caller, op.workspace_id)
        due = self.world.next_time()
        agree(accepted(got).next_run_at, due)
        self.world.schedules[got.id] = Schedule(got.id, op.workspace_id, due)

    @_do.register
    def _(self, op: ops.DeleteSchedule, caller: Caller, got: Any) -> None:
        known = self.world.schedules.get(op.id)
        if known is None or not self.world.sees(caller.viewer, known.workspace):
            raise RefusalError("not_found")
        self._check_create(caller, known.workspace)
        accepted(got)
        del self.world.schedules[op.id]

    @_do.register
    def _(self, op: ops.UpdateTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        if task.status is not TaskStatus.PENDING:
            raise RefusalError("wrong_state")
        accepted(got)
        changes = op.changes()
        task.not_before = changes.pop("not_before", task.not_before)
        task.fields.update(changes)

    @_do.register
    def _(self, op: ops.DeleteTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        if not self.world.may_create(caller.viewer, task.workspace):
            raise RefusalError("forbidden")
        waited_for = task.status is not TaskStatus.COMPLETED and self.world.children(task.id)
        if waited_for or task.worker is not None:
            raise RefusalError("wrong_state")
        accepted(got)
        del self.world.tasks[task.id]
        for worker in [w for w in self.world.workers.values() if w.task == task.id]:
            del self.world.workers[worker.id]
        for child in self.world.children(task.id):
            child.parents = tuple(parent for parent in child.parents if parent != task.id)

    @_do.register
    def _(self, op: ops.CancelTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        if not TASK.allows(TaskVerb.CANCEL, task.status):
            raise RefusalError("wrong_state")
        accepted(got)
        if task.worker is not None:
            worker = self.world.workers[task.worker]
            self.world.stand_down(worker, WorkerStatus.ERROR)
            worker.code = "cancelled"
        task.status, task.worker = TaskStatus.CANCELLED, None
        self.world.fail_children(task)

    @_do.register
    def _(self, op: ops.RetryTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        if not TASK.allows(TaskVerb.RETRY, task.status):
            raise RefusalError("wrong_state")
        accepted(got)
        self.world.put_back(task)
        task.attempt, task.not_before = 0, None

    @_do.register
    def _(self, op: ops.ReleaseTask, caller: Caller, got: Any) -> None:
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

    @_do.register
    def _(self, op: ops.WhyTask, caller: Caller, got: Any) -> None:
        task = self._task(op.id, caller)
        why: Why = accepted(got)
        accounts = [a for a in self.world.accounts.values() if caller.viewer in {None, a.id}]
        want = {a.id: set(self.world.unmet(a, task, None)) for a in accounts}
        agree({a.account_id: {str(r.code) for r in a.unmet} for a in why.accounts}, want)
        agree(why.claimable, not all(want.values()))

    # Claims

    @_do.register
    def _(self, op: ops.ClaimTasks, caller: Caller, got: Any) -> None:
        account = self.world.accounts[str(caller.account)]
        full = self.world.is_run_full(account, op.run_id)
        if op.task_id is not None and not full and not self._may_ask_for(op, account):
            raise RefusalError("not_found")
        claim: Claim = accepted(got)
        if op.agent_id is not None:
            account.offers[op.agent_id] = frozenset(op.capabilities)
        for claimed in claim.workers:
            assert not self.world.is_run_full(account, op.run_id)
            self._take(op, account, claimed)
        if len(claim.workers) < op.max_tasks and not self.world.is_run_full(account, op.run_id):
            agree(self._next(op, account), None)
        agree(str(claim.reason and claim.reason.code), str(self._reason(op, account, claim)))

    @_do.register
    def _(self, op: ops.CreateWorker, caller: Caller, got: Any) -> None:
        if caller.viewer is None and op.account_id is None:
            raise RefusalError("invalid")
        if caller.viewer is not None and op.account_id not in {None, caller.viewer}:
            raise RefusalError("forbidden")
        account = self.world.accounts[str(op.account_id or caller.viewer)]
        claim = ops.ClaimTasks(workspace_id=op.workspace_id, task_id=op.task_id)
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
        return next(iter([*sorted(resumed, key=lambda w: w.id), *first]), None)

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
        worker.deadline = self.world.deadline(self.world.tasks[worker.task])
        agree(claimed.id, worker.id)
        agree(claimed.lease.epoch, worker.epoch)
        agree(claimed.lease.expires_at, worker.expires)
        agree(claimed.worker.status, worker.status)

    def _reason(self, op: ops.ClaimTasks, account: Account, claim: Claim) -> str | None:
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

    # Attempts

    @_do.register
    def _(self, op: ops.StartWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if caller.kind is LEASE:
            self._held(worker, caller)
        elif worker.status is WorkerStatus.PAUSED:
            self._resume(worker, got)
            return
        self._step(worker, WorkerVerb.START, got)

    @_do.register
    def _(self, op: ops.Heartbeat, caller: Caller, got: Any) -> None:
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

    @_do.register
    def _(self, op: ops.AskWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        self._held(worker, caller)
        self._step(worker, WorkerVerb.ASK, got)
        worker.question = "agent"

    @_do.register
    def _(self, op: ops.AnswerWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if worker.question == "budget":
            self._answer_about_budget(op, worker, got)
            return
        self._step(worker, WorkerVerb.ANSWER, got)
        worker.told += 1
        worker.question = None
        worker.deadline = self.world.deadline(self.world.tasks[worker.task])

    @_do.register
    def _(self, op: ops.PauseWorker, caller: Caller, got: Any) -> None:
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

    @_do.register
    def _(self, op: ops.CompleteWorker, caller: Caller, got: Any) -> None:
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
        task.status, task.worker = TaskStatus.COMPLETED, None
        for child in self.world.children(task.id):
            child.waits.discard(task.id)

    @_do.register
    def _(self, op: ops.FailWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if self._repeats(op, worker, caller, got):
            return
        accepted(got)
        worker.report = op
        self.world.end(worker, "failed", wait=True, never=not op.retryable)

    @_do.register
    def _(self, op: ops.CancelWorker, caller: Caller, got: Any) -> None:
        worker = self._worker(op.id, caller)
        if not worker.holding:
            raise RefusalError("wrong_state")
        accepted(got)
        self.world.end(worker, "cancelled", wait=True)

    # Administration

    @_do.register
    def _(self, op: ops.UpdateAccount, caller: Caller, got: Any) -> None:
        accepted(got)
        account = self.world.accounts[op.id]
        account.slots = op.changes().get("max_concurrent_workers", account.slots)
        account.cap = op.changes().get("max_cost_per_day", account.cap)

    @_do.register
    def _(self, op: ops.DrainAccount, caller: Caller, got: Any) -> None:
        accepted(got)
        self.world.accounts[op.id].draining = op.draining

    @_do.register
    def _(self, op: ops.GrantWorkspace, caller: Caller, got: Any) -> None:
        accepted(got)
        account = self.world.accounts[op.account_id]
        account.grants[op.workspace_id] = (op.can_claim, op.can_create)

    @_do.register
    def _(self, op: ops.RevokeGrant, caller: Caller, got: Any) -> None:
        account = self.world.accounts[op.account_id]
        if op.workspace_id not in account.grants:
            raise RefusalError("not_found")
        accepted(got)
        del account.grants[op.workspace_id]

    # Words for the above

    def _task(self, task_id: str, caller: Caller) -> Task:
        task = self.world.tasks.get(task_id)
        if task is None or not self.world.sees(caller.viewer, task.workspace):
            raise RefusalError("not_found")
        return task

    def _worker(self, worker_id: str, caller: Caller) -> Worker:
        if caller.kind is LEASE:
            return self._own(caller, worker=worker_id)
        worker = self.world.workers.get(worker_id)
        if worker is None or not self.world.sees(caller.viewer, worker.workspace):
            raise RefusalError("not_found")
        return worker

    def _own(self, caller: Caller, *, worker: str | None = None, task: str | None = None) -> Worker:
        mine = self.world.workers.get(str(caller.worker))
        if mine is None or mine.id != (worker or mine.id) or mine.task != (task or mine.task):
            raise RefusalError("not_found")
        return mine

    def _holds(self, worker: Worker, caller: Caller) -> bool:
        return worker.epoch == caller.epoch and worker.held and worker.live

    def _held(self, worker: Worker, caller: Caller) -> None:
        if not self._holds(worker, caller):
            raise RefusalError("lease_lost", self._why_lost(worker))

    def _why_lost(self, worker: Worker) -> str:
        if worker.live:
            return "superseded"
        return worker.code or worker.status.value

    def _step(self, worker: Worker, verb: WorkerVerb, got: Any) -> None:
        if not WORKER.allows(verb, worker.status):
            raise RefusalError("wrong_state")
        accepted(got)
        worker.status = WORKER.step(verb).target

    def _repeats(self, op: Operation[Any], worker: Worker, caller: Caller, got: Any) -> bool:
        if self._holds(worker, caller):
            return False
        if worker.epoch != caller.epoch or worker.report != op:
            raise RefusalError("lease_lost", self._why_lost(worker))
        agree(accepted(got).status, worker.status)
        return True

    def _renew(self, op: ops.Heartbeat, worker: Worker) -> None:
        known = worker.cost
        if op.cost_usd is not None:
            self.world.book(worker, op.cost_usd)
        account = self.world.accounts[worker.account]
        over = worker.cost > known and self.world.used(account.id) > account.cap
        if over and not worker.may_overspend and worker.pause_asked is None:
            worker.question, worker.pause_asked = "budget", self.world.now
        worker.expires = max(worker.expires, self.world.now + self.world.ttl)
        worker.progress = worker.progress if op.progress is None else op.progress
        worker.turns = max(worker.turns, op.turns or 0)

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
        if full or account.draining or (poor and not may_overspend):
            raise RefusalError("not_claimable")
        accepted(got)
        worker.may_overspend, worker.question, worker.deadline = may_overspend, None, None
        task.epoch += 1
        worker.epoch, worker.status = task.epoch, WorkerStatus.STARTING
        worker.reserved, worker.reserved_on = amount, self.world.today
        worker.expires = self.world.now + timedelta(seconds=self.world.ttl.total_seconds() * 10)


def accepted(got: Any) -> Any:
    """The broker's answer, where the model says that there must be one."""
    assert not isinstance(got, BuilddError), f"refused without a reason: {got!r}"
    return got


def agree(got: object, want: object) -> None:
    assert got == want, f"the broker says {got!r}, the model {want!r}"


def beat(got: Any) -> tuple[list[Order], int, int, Any]:
    answer: Beat = accepted(got)
    return answer.orders, len(answer.messages), answer.lease.epoch, answer.lease.expires_at
