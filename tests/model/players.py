"""What people and agents do to a broker, as rules: any of them, in any order, to anything."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from buildd import operations as ops
from buildd.operations import Operation
from buildd.states import CLOSED, OnDependencyFailure
from tests.model.reports import VERBS
from tests.model.table import Table, nth, which_of

NTH = st.integers(0, 11) | st.integers(0, 60)
"""Which one, counted from the newest: mostly among the last few, at times one from long ago."""
COST = st.sampled_from([None, *map(Decimal, ("0", "0.5", "1", "2.000001", "4", "20"))])
CAPABILITIES = st.sampled_from([[], [], [], ["git"], ["git", "gpu"]])
OFFERED = st.sampled_from([["git", "gpu"], ["git", "gpu"], ["git"], []])
PARENTS: st.SearchStrategy[list[int]] = st.just([]) | st.lists(NTH, max_size=3)
KEY = st.sampled_from([None, None, "one", "two"])
WHERE = st.sampled_from([None, None, 0, 1])
SOON = st.sampled_from([None, None, None, -10, 15, 200])
ROUTE = st.sampled_from(["any", "any", "any", "user", "service", "action"])
REPORTS = ["start", "start", "run", "run", "beat", "dear", "done", "other", "fail", "no", "theft"]


class People(Table):
    """Owners and accounts, about tasks, schedules and workers."""

    @rule(
        by=st.integers(0, 4),
        where=st.sampled_from([0, 0, 1]),
        parents=PARENTS,
        soon=SOON,
        key=KEY,
        fields=st.fixed_dictionaries(
            {
                "priority": st.integers(-1, 1),
                "runner_preference": ROUTE,
                "required_capabilities": CAPABILITIES,
                "max_attempts": st.integers(1, 3),
                "max_cost": COST,
                "timeout_seconds": st.sampled_from([None, None, 20, 300]),
                "on_dependency_failure": st.sampled_from(OnDependencyFailure),
            }
        ),
    )
    def create_task(self, by: int, parents: list[int], key: str | None, **about: Any) -> None:
        new = self._new(about["where"], parents, about["soon"], about["fields"])
        self.do(ops.CreateTask(**new, idempotency_key=key), self._person(by))

    @rule(
        by=st.integers(0, 4),
        where=st.lists(st.integers(0, 1), min_size=1, max_size=3),
        parents=PARENTS,
        key=KEY,
    )
    def create_tasks(self, by: int, where: list[int], parents: list[int], key: str | None) -> None:
        batch = [self._new(each, parents, None, {}) for each in where]
        self.do(ops.CreateTasks(tasks=batch, idempotency_key=key), self._person(by))

    @rule(by=st.integers(0, 4), where=st.integers(0, 1))
    def create_schedule(self, by: int, where: int) -> None:
        op = ops.CreateSchedule(
            workspace_id=self.workspaces[where],
            name="often",
            cron="*/5 * * * *",
            task={"title": "again", "maxCost": 1},
        )
        self.do(op, self._person(by))

    @precondition(lambda self: self.world.schedules)
    @rule(by=st.integers(0, 4), which=NTH)
    def delete_schedule(self, by: int, which: int) -> None:
        self.do(ops.DeleteSchedule(id=nth(list(self.world.schedules), which)), self._person(by))

    @precondition(lambda self: self.world.tasks)
    @rule(
        by=st.integers(0, 4),
        which=NTH,
        soon=SOON,
        fields=st.fixed_dictionaries(
            {},
            optional={
                "title": st.just("other work"),
                "priority": st.integers(-1, 1),
                "runner_preference": ROUTE,
                "max_attempts": st.integers(1, 3),
                "max_cost": COST,
            },
        ),
    )
    def change_task(self, by: int, which: int, soon: int | None, fields: dict[str, Any]) -> None:
        given = fields if soon is None else {**fields, "not_before": self._in(soon)}
        self.do(ops.UpdateTask(id=self._task(which), **given), self._person(by))

    @precondition(lambda self: self.world.tasks)
    @rule(
        by=st.integers(0, 4),
        which=NTH,
        verb=st.sampled_from(
            [ops.CancelTask, ops.RetryTask, ops.RetryTask, ops.WhyTask, ops.ReleaseTask]
        ),
    )
    def decide(self, by: int, which: int, verb: Callable[..., Operation[Any]]) -> None:
        tasks = self.world.tasks
        over = [task.id for task in tasks.values() if task.status in CLOSED]
        apt = over if verb is ops.RetryTask else []
        self.do(verb(id=which_of(apt, list(tasks), which)), self._person(by))

    @precondition(lambda self: self.world.tasks)
    @rule(by=st.integers(0, 4), which=NTH)
    def delete_task(self, by: int, which: int) -> None:
        self.do(ops.DeleteTask(id=self._task(which)), self._person(by))

    @precondition(lambda self: self.world.workers)
    @rule(
        by=st.integers(0, 4),
        which=NTH,
        verb=st.sampled_from(["start", "pause", "cancel", "yes", "go on", "stop"]),
    )
    def direct(self, by: int, which: int, verb: str) -> None:
        self._direct(self._worker(which), verb, self._person(by))


class Agents(Table):
    """Honest agents, stale ones and thieves."""

    @rule(
        who=st.integers(0, 2),
        where=WHERE,
        most=st.integers(1, 3),
        offered=OFFERED,
        named=st.fixed_dictionaries(
            {
                "agent_id": st.sampled_from([None, "one", "two"]),
                "run_id": st.sampled_from([None, "run 1", "run 2"]),
            }
        ),
    )
    def claim(
        self, who: int, where: int | None, most: int, offered: list[str], named: dict[str, Any]
    ) -> None:
        workspace = None if where is None else self.workspaces[where]
        op = ops.ClaimTasks(workspace_id=workspace, max_tasks=most, capabilities=offered, **named)
        self.do(op, self.accounts[who])

    @precondition(lambda self: self.world.tasks)
    @rule(who=st.integers(0, 2), which=NTH, where=WHERE, asked=st.sampled_from("cwo"))
    def claim_named(self, who: int, which: int, where: int | None, asked: str) -> None:
        task = self._task(which)
        workspace = self.workspaces[where or 0]
        if asked == "c":
            known = self.world.tasks.get(task)
            within = known.workspace if known and where is None else workspace
            op: Operation[Any] = ops.ClaimTasks(task_id=task, workspace_id=within)
            self.do(op, self.accounts[who])
            return
        account = self.accounts[who].account if asked == "o" else None
        op = ops.CreateWorker(task_id=task, workspace_id=workspace, account_id=account)
        self.do(op, self.owner if asked == "o" else self.accounts[who])

    @precondition(lambda self: self.leases)
    @rule(which=NTH)
    def begin(self, which: int) -> None:
        """What an honest agent does first."""
        lease = self._lease(which)
        self.do(ops.StartWorker(id=lease.worker), lease)
        self.do(ops.Heartbeat(id=lease.worker, status="running"), lease)

    @precondition(lambda self: self.leases)
    @rule(
        which=NTH,
        running=st.booleans(),
        progress=st.none() | st.integers(0, 100),
        cost=COST,
        turns=st.sampled_from([None, 0, 3]),
    )
    def beat(
        self,
        which: int,
        running: bool,
        progress: int | None,
        cost: Decimal | None,
        turns: int | None,
    ) -> None:
        lease = self._lease(which)
        status = "running" if running else None
        op = ops.Heartbeat(
            id=lease.worker, status=status, progress=progress, cost_usd=cost, turns=turns
        )
        self.do(op, lease)

    @precondition(lambda self: self.leases)
    @rule(
        which=NTH,
        verb=st.sampled_from(
            ["start", "ask", "ask", "pause", "done", "done", "other", "fail", "no"]
        ),
    )
    def work(self, which: int, verb: str) -> None:
        self._under_lease(self._lease(which), verb)

    @precondition(lambda self: self.leases)
    @rule(which=NTH, drain=st.booleans())
    def hand_back(self, which: int, drain: bool) -> None:
        lease = self._lease(which)
        worker = self.world.workers.get(str(lease.worker))
        if worker is not None:
            reason = "drain" if drain else None
            self.do(ops.ReleaseTask(id=worker.task, reason=reason), lease)

    @precondition(lambda self: self.leases)
    @rule(which=NTH, other=NTH, verb=st.sampled_from(["start", "beat", "done", "fail", "pause"]))
    def trespass(self, which: int, other: int, verb: str) -> None:
        """Any token, on any worker."""
        foreign = nth(self.leases, other).worker
        self._under_lease(nth(self.leases, which)._replace(worker=foreign), verb, which)

    @precondition(lambda self: self.leases)
    @rule(
        by=st.integers(0, 4),
        deeds=st.lists(st.tuples(NTH, NTH, st.sampled_from(REPORTS)), min_size=1, max_size=4),
        twice=st.booleans(),
    )
    def report(self, by: int, deeds: list[tuple[int, int, str]], twice: bool) -> None:
        """Many agents at once, and some of them lie."""
        batch = [self._report(*deed) for deed in deeds] * (1 + twice)
        self.do(ops.ReportWorkers(reports=batch), self._person(by))

    def _report(self, which: int, other: int, verb: str) -> dict[str, Any]:
        lease = self._lease(which)
        worker = nth(self.leases, other).worker if verb == "theft" else lease.worker
        deed = self._deed(str(worker), "done" if verb == "theft" else verb)
        about = deed.model_dump(by_alias=False, exclude_unset=True)
        return {"verb": VERBS[type(deed)], "token": lease.key, **about}

    @precondition(lambda self: self.requests)
    @rule(which=NTH)
    def again(self, which: int) -> None:
        self.do(*nth(self.requests, which))
