"""What a broker ought to hold, as plain Python: the model that the real one is compared with.

Nothing here is shared with the broker but its vocabulary. Counters do not exist: live workers are
counted and money is added up each time somebody asks, so a counter that drifts is seen at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from buildd.retention import Retention
from buildd.states import CLOSED, OnDependencyFailure, TaskStatus, WorkerStatus
from tests.model.things import ZERO, Account, Schedule, Task, Worker, Workspace

AGENTS_KEPT = timedelta(days=7)


class World:
    """Everything there is."""

    def __init__(self, now: datetime, ttl: timedelta, keep: Retention) -> None:
        self.now = now
        self.ttl = ttl
        self.keep = keep
        self.events_since: datetime | None = None
        """All events from this moment on are kept, and no older ones."""
        self.swept: datetime | None = None
        self.accounts: dict[str, Account] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.tasks: dict[str, Task] = {}
        self.workers: dict[str, Worker] = {}
        self.spent: defaultdict[tuple[str, date], Decimal] = defaultdict(Decimal)
        self.epochs: dict[str, int] = {}
        """The highest epoch each task has ever had."""
        self.accepted: defaultdict[str, int] = defaultdict(int)
        """How many results were accepted for each task."""
        self.schedules: dict[str, Schedule] = {}
        self.remembered: dict[tuple[str, str], tuple[Any, Any, datetime]] = {}
        """By principal and idempotency key: the request, its answer, and when that was."""
        self._number = 0

    @property
    def today(self) -> date:
        return self.now.date()

    def next_number(self) -> int:
        self._number += 1
        return self._number

    # Who may see and do what

    def sees(self, account: str | None, workspace: str) -> bool:
        return workspace in self.workspaces and (
            account is None or workspace in self.accounts[account].grants
        )

    def may_create(self, account: str | None, workspace: str) -> bool:
        return account is None or self.accounts[account].grants[workspace][1]

    # Slots and money, always counted afresh

    def live(self, owner: str) -> int:
        return sum(w.live for w in self.workers.values() if owner in (w.account, w.workspace))

    def reserved(self, owner: str, day: date) -> Decimal:
        held = (w for w in self.workers.values() if owner in (w.account, w.workspace))
        return sum((w.reserved for w in held if w.reserved_on == day), ZERO)

    def used(self, owner: str) -> Decimal:
        return self.spent[owner, self.today] + self.reserved(owner, self.today)

    def affords(self, owner: str, cap: Decimal | None, amount: Decimal) -> bool:
        used = self.used(owner)
        return cap is None or (used < cap and used + amount <= cap)

    def is_run_full(self, account: Account, run: str | None) -> bool:
        mine = [w for w in self.workers.values() if (w.account, w.run) == (account.id, run)]
        used = sum((w.cost + w.reserved for w in mine), ZERO)
        if account.tasks_per_run is None and account.cost_per_run is None:
            return False
        return run is None or (
            (account.tasks_per_run is not None and len(mine) >= account.tasks_per_run)
            or (account.cost_per_run is not None and used >= account.cost_per_run)
        )

    def estimate(self, account: Account, task: Task) -> Decimal:
        amounts = (task.estimate, account.cap_task)
        return next((amount for amount in amounts if amount is not None), ZERO)

    # Routing: every requirement by the code that is given when it is not met

    def unmet(self, account: Account, task: Task, offered: Iterable[str] | None) -> Iterator[str]:
        """`offered` is what the claiming agent can do, or None for all that the account's agents can."""
        workspace, fields = self.workspaces[task.workspace], task.fields
        amount = self.estimate(account, task)
        yield from self._unready(task)
        if not account.grants.get(task.workspace, (False, False))[0]:
            yield "no_grant"
        if fields["runner_preference"] not in ("any", account.type):
            yield "wrong_route"
        agents = self.alive(account) if offered is None else [frozenset(offered)]
        needed = set(fields["required_capabilities"])
        if needed and not any(needed <= agent for agent in agents):
            yield "missing_capabilities"
        if account.draining:
            yield "draining"
        if self.live(account.id) >= account.slots:
            yield "no_slot"
        if workspace.slots is not None and self.live(workspace.id) >= workspace.slots:
            yield "no_workspace_slot"
        if not self.affords(account.id, account.cap, amount):
            yield "no_budget"
        if not self.affords(workspace.id, workspace.cap, amount):
            yield "no_workspace_budget"

    def alive(self, account: Account) -> list[frozenset[str]]:
        """What those agents can do that work, or were seen in the last two minutes."""
        since = self.now - timedelta(minutes=2)
        working = {w.agent for w in self.workers.values() if w.account == account.id and w.live}
        offers = account.offers.items()
        return [can for agent, (can, seen) in offers if seen >= since or agent in working]

    def _unready(self, task: Task) -> Iterator[str]:
        if task.status is not TaskStatus.PENDING:
            yield "not_pending"
        if task.waits:
            yield "not_ready"
        if task.not_before is not None and task.not_before > self.now:
            yield "not_yet"

    def children(self, task_id: str) -> list[Task]:
        return [task for task in self.tasks.values() if task_id in task.parents]

    # What goes with what

    def forget(self, task_id: str) -> None:
        """A task goes with its attempts; those who waited for it know it no more."""
        del self.tasks[task_id]
        self.workers = {w.id: w for w in self.workers.values() if w.task != task_id}
        for child in self.children(task_id):
            child.parents = tuple(parent for parent in child.parents if parent != task_id)
            child.waits.discard(task_id)

    def close_workspace(self, workspace: str) -> None:
        """All that is in it goes; what was spent there stays in everybody's books."""
        for task in [task for task in self.tasks.values() if task.workspace == workspace]:
            self.forget(task.id)
        self.schedules = {s.id: s for s in self.schedules.values() if s.workspace != workspace}
        for account in self.accounts.values():
            account.grants.pop(workspace, None)
        del self.workspaces[workspace]

    # What happens to an attempt, to its task, and to those who wait for it

    def stand_down(self, worker: Worker, status: WorkerStatus) -> None:
        """Out of work: no slot, no money set aside."""
        worker.status, worker.held, worker.pause_asked = status, False, None
        worker.reserved = ZERO
        if status is not WorkerStatus.PAUSED:
            worker.question = None

    def deadline(self, task: Task) -> datetime | None:
        """One lease after the task's time is up; waiting for a person does not count."""
        seconds = task.fields["timeout_seconds"]
        return None if seconds is None else self.now + timedelta(seconds=seconds) + self.ttl

    def book(self, worker: Worker, total: Decimal) -> None:
        """A bill counts from the moment it is heard, whoever sends it and however late."""
        more = total - worker.cost
        if more <= 0:
            return
        worker.cost = total
        worker.reserved -= min(more, worker.reserved)
        self.tasks[worker.task].cost += more
        for owner in (worker.account, worker.workspace):
            self.spent[owner, self.today] += more

    def end(self, worker: Worker, code: str, *, always: bool = False, **comeback: bool) -> None:
        """An attempt without a result: the task goes back, or to its own end."""
        self.stand_down(worker, WorkerStatus.ERROR)
        worker.code = code
        task = self.tasks[worker.task]
        refund = comeback.get("refund", False)
        over = comeback.get("never", False) or task.attempt >= task.fields["max_attempts"]
        cap = task.fields["max_cost"]
        broke = bool(cap) and task.cost >= cap
        if (over or broke) and not (always or refund):
            self.fail(task)
            return
        self.put_back(task)
        wait = min(10.0 * 2 ** (task.attempt - 1), 900.0) if comeback.get("wait", False) else None
        until = None if wait is None else self.now + timedelta(seconds=wait)
        task.between = None if until is None else (self.now, until)
        task.not_before = until  # or what chance decided, once the broker tells
        task.attempt -= refund

    def put_back(self, task: Task) -> None:
        task.status, task.worker, task.claimed_by = TaskStatus.PENDING, None, None

    def close(self, task: Task, status: TaskStatus) -> None:
        task.status, task.worker, task.changed = status, None, self.now

    def release(self, child: Task, parent: str) -> None:
        if parent in child.waits:
            child.waits.discard(parent)
            child.changed = self.now

    def fail(self, task: Task) -> None:
        self.close(task, TaskStatus.FAILED)
        self.fail_children(task)

    def fail_children(self, parent: Task) -> None:
        for child in self.children(parent.id):
            if child.fields["on_dependency_failure"] == OnDependencyFailure.RUN:
                self.release(child, parent.id)
            elif child.status is TaskStatus.PENDING:
                self.fail(child)

    # What time does

    def sweep(self) -> int:
        """One pass of the reaper: how many attempts it ended or paused, and schedules it fired."""
        settled = self._settle()
        self._prune()
        return settled

    def _settle(self) -> int:
        if self.swept is not None and self.now - self.swept > self.ttl / 3:
            for worker in self.workers.values():
                if worker.live:
                    worker.expires = max(worker.expires, self.now + self.ttl)
        self.swept = self.now
        live = [worker for worker in self.workers.values() if worker.live]
        lost = [worker for worker in live if worker.expires < self.now]
        asked = [
            worker
            for worker in live
            if worker.pause_asked is not None and worker.pause_asked < self.now - self.ttl
        ]
        over = [
            worker
            for worker in live
            if worker.status is not WorkerStatus.WAITING_INPUT
            and worker.deadline is not None
            and worker.deadline < self.now
        ]
        for worker in lost:
            self.end(worker, "lease_lost")
        late = [worker for worker in over if worker.live]
        for worker in late:
            self.end(worker, "timeout", wait=True)
        stuck = [worker for worker in asked if worker.live]
        for worker in stuck:
            self.pause(worker)
        return len(lost) + len(late) + len(stuck) + len(self.due())

    def _prune(self) -> None:
        """Forget what is over for long enough, but nothing that a task still waits for."""
        if self.keep.events is not None:
            self.events_since = self.now - self.keep.events
        for account in self.accounts.values():
            offers = account.offers.items()
            account.offers = {agent: o for agent, o in offers if o[1] >= self.now - AGENTS_KEPT}
        if self.keep.tasks is None:
            return
        before = self.now - self.keep.tasks
        awaited = {parent for task in self.tasks.values() for parent in task.waits}
        for task in list(self.tasks.values()):
            over = task.status in CLOSED and task.changed is not None and task.changed < before
            if over and task.id not in awaited:
                self.forget(task.id)

    def due(self) -> list[Schedule]:
        return [schedule for schedule in self.schedules.values() if schedule.due <= self.now]

    def next_time(self) -> datetime:
        """Of the schedule that every test uses: every five minutes."""
        hour = self.now.replace(minute=0, second=0, microsecond=0)
        return hour + timedelta(minutes=self.now.minute // 5 * 5 + 5)

    def pause(self, worker: Worker) -> None:
        self.stand_down(worker, WorkerStatus.PAUSED)
        task = self.tasks[worker.task]
        if task.status is TaskStatus.RUNNING:
            task.status = TaskStatus.ASSIGNED
