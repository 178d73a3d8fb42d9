"""A Hypothesis machine that does anything to a broker in any order, and tells the model the same.

Every request that was ever made may be made again, by the same caller; every lease token that was
ever issued may be used again, on any worker. After each step the database is compared with the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings
from buildd.broker.reaper import Retention
from buildd.errors import BuilddError
from buildd.operations import Operation
from buildd.states import CLOSED, OnDependencyFailure
from buildd.testing import FrozenClock
from tests.model.books import Books
from tests.model.spec import ACCOUNT, ADMIN, LEASE, Caller, RefusalError, Spec, agree
from tests.model.world import Account, Workspace, World

T = TypeVar("T")

OWNER_KEY = "the owner of the model"
NTH = st.integers(0, 11) | st.integers(0, 60)
"""Which one, counted from the newest: mostly among the last few, at times one from long ago."""
COST = st.sampled_from([None, *map(Decimal, ("0", "0.5", "1", "2.000001", "4", "20"))])
CAPABILITIES = st.sampled_from([[], [], [], ["git"], ["git", "gpu"]])
OFFERED = st.sampled_from([["git", "gpu"], ["git", "gpu"], ["git"], []])
PARENTS = st.just([]) | st.lists(NTH, max_size=3)
KEY = st.sampled_from([None, None, "one", "two"])
WHERE = st.sampled_from([None, None, 0, 1])
SOON = st.sampled_from([None, None, None, -10, 15, 200])
ROUTE = st.sampled_from(["any", "any", "any", "user", "service", "action"])

BY_PERSONS = ["do start", "do pause", "do cancel", "yes", "go on", "stop"]
DEEDS = ["start", "run", "dear", "ask", "pause", "done", "fail", "claim", *BY_PERSONS]

ACCOUNTS: dict[str, dict[str, Any]] = {
    "user": {"max_concurrent_workers": 2, "max_cost_per_day": Decimal(10)},
    "service": {
        "max_concurrent_workers": 3,
        "max_cost_per_day": Decimal(20),
        "max_cost_per_task": Decimal(3),
    },
    "action": {
        "max_concurrent_workers": 1,
        "max_cost_per_day": Decimal(5),
        "max_tasks_per_run": 3,
        "max_cost_per_run": Decimal(4),
    },
}
WORKSPACES: list[dict[str, Any]] = [
    {},
    {"max_concurrent_workers": 2, "max_cost_per_day": Decimal(8)},
]


class Machine(RuleBasedStateMachine):
    """A broker and its model. A subclass says where databases come from."""

    fresh: ClassVar[Callable[[], str]]
    """Makes an empty database and gives its URL."""
    seen: ClassVar[Counter[str]]
    """How often each step of the state machines and each refusal was met."""

    @initialize()
    def open(self) -> None:
        self.clock = FrozenClock()
        self.url = type(self).fresh()
        self.settings = BrokerSettings(
            clock=self.clock, admin_key=OWNER_KEY, retention=Retention(events=None)
        )
        self.owner = Caller(ADMIN, key=OWNER_KEY)
        self.world = World(self.clock.now(), self.settings.lease.ttl_delta)
        self.spec = Spec(self.world)
        self.accounts: list[Caller] = []
        self.leases: list[Caller] = []
        self.requests: list[tuple[Operation[Any], Caller]] = []
        self._open_broker()
        self.books = Books(self.world, self.seen)
        self._settle_in()

    def teardown(self) -> None:
        if hasattr(self, "broker"):
            try:
                self.books.check_feed(self.broker)
            finally:
                self.broker.close()

    # People

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

    @rule(
        limits=st.fixed_dictionaries(
            {"max_cost": COST, "timeout_seconds": st.sampled_from([None, None, 20])}
        ),
        who=st.integers(0, 2),
        begun=st.sampled_from([True, True, False]),
        deeds=st.lists(st.sampled_from(DEEDS), max_size=8),
    )
    def work_comes_and_is_taken(
        self, limits: dict[str, Any], who: int, begun: bool, deeds: list[str]
    ) -> None:
        """A whole life, so that chance gets far often enough."""
        op = ops.CreateTask(
            workspace_id=self.workspaces[0], title="work", priority=1, **limits
        )
        self.do(op, self.owner)
        self.do(ops.ClaimTasks(), self.accounts[who])
        for deed in ["start", "run", *deeds] if begun else deeds:
            if not self.world.workers:
                break
            if deed in BY_PERSONS:
                self._direct(self._worker(0), deed.removeprefix("do "), self.owner)
            elif deed == "claim":
                self.do(ops.ClaimTasks(), self.accounts[who])
            else:
                self._under_lease(self._lease(0), deed)

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

    def _direct(self, worker: str, verb: str, caller: Caller) -> None:
        made: dict[str, Operation[Any]] = {
            "start": ops.StartWorker(id=worker),
            "pause": ops.PauseWorker(id=worker),
            "cancel": ops.CancelWorker(id=worker),
        }
        answer = ops.AnswerWorker(id=worker, content=verb)
        self.do(made.get(verb, answer), caller)

    @rule(who=st.integers(0, 2), slots=st.integers(1, 4), cap=st.sampled_from([30, 10, 2]))
    def set_limits(self, who: int, slots: int, cap: int) -> None:
        account = str(self.accounts[who].account)
        self.do(
            ops.UpdateAccount(id=account, max_concurrent_workers=slots, max_cost_per_day=cap),
            self.owner,
        )

    @rule(who=st.integers(0, 2), draining=st.sampled_from([False, False, True]))
    def drain(self, who: int, draining: bool) -> None:
        account = str(self.accounts[who].account)
        self.do(ops.DrainAccount(id=account, draining=draining), self.owner)

    @rule(who=st.integers(0, 2), where=st.integers(0, 1), rights=st.sampled_from("----cnb"))
    def set_rights(self, who: int, where: int, rights: str) -> None:
        about = {"account_id": self.accounts[who].account, "workspace_id": self.workspaces[where]}
        if rights == "n":
            self.do(ops.RevokeGrant(**about), self.owner)
        else:
            self.do(
                ops.GrantWorkspace(**about, can_claim=rights != "c", can_create=rights != "b"),
                self.owner,
            )

    # Agents

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

    @precondition(lambda self: self.requests)
    @rule(which=NTH)
    def again(self, which: int) -> None:
        self.do(*nth(self.requests, which))

    # Time, and the broker itself

    @rule(steps=st.integers(1, 8))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self._advance(15)
            self.sweep()

    @rule(seconds=st.sampled_from([1, 30, 100, 1000, 13 * 3600]))
    def nobody_looks(self, seconds: int) -> None:
        self._advance(seconds)

    @rule()
    def sweep(self) -> None:
        assert self.broker.reaper.sweep() == self.world.sweep()
        self._see_schedules()

    @rule()
    def restart(self) -> None:
        self.books.check_feed(self.broker)
        self.broker.close()
        self._open_broker()

    @invariant()
    def the_books_agree(self) -> None:
        self.books.check(self.broker)

    # Words for the above

    def _see_schedules(self) -> None:
        """A missed time is made up for once, however many were missed."""
        for schedule in self.world.due():
            known = self._ask(ops.GetSchedule(id=schedule.id), self.owner)
            schedule.due = self.world.next_time()
            agree(known.next_run_at, schedule.due)
            agree(known.last_run_at, self.world.now)
            new = ops.NewTask(workspace_id=schedule.workspace, title="again", max_cost=1)
            self.spec.put(new, known.last_task_id)

    def _new(
        self, where: int, parents: list[int], soon: int | None, fields: dict[str, Any]
    ) -> dict[str, Any]:
        workspace = self.workspaces[where]
        there = [task.id for task in self.world.tasks.values() if task.workspace == workspace]
        return {
            "workspace_id": workspace,
            "title": "work",
            "depends_on": [nth(there, index) for index in parents if there],
            "not_before": self._in(soon),
            **fields,
        }

    def do(self, op: Operation[Any], caller: Caller) -> None:
        """Have it done by the broker and by the model, and compare."""
        self.requests.append((op, caller))
        self.seen["operations"] += 1
        got = self._ask(op, caller)
        try:
            self.spec.do(op, caller, got)
        except RefusalError as refused:
            self._compare_refusals(got, refused, caller)
        else:
            assert not isinstance(got, BuilddError), f"refused without a reason: {got!r}"
            self._remember_leases(op, got)

    def _ask(self, op: Operation[Any], caller: Caller) -> Any:
        try:
            principal = self.broker.authenticate(caller.key).result()
            return self.broker.execute(op, principal)
        except BuilddError as error:
            return error

    def _compare_refusals(self, got: Any, refused: RefusalError, caller: Caller) -> None:
        assert isinstance(got, BuilddError), f"{refused} expected, but it was done: {got!r}"
        want = {refused.code}
        if caller.kind is LEASE and caller.worker not in self.world.workers:
            want.add("not_authenticated")  # once the attempt was deleted its token is unknown
        assert got.code in want, f"{refused} expected, not {got!r}"
        if refused.reason is not None:
            assert got.details["reason"] == refused.reason
        self.seen[f"refused: {refused.code}"] += 1

    def _remember_leases(self, op: Operation[Any], got: Any) -> None:
        made = got.workers if isinstance(op, ops.ClaimTasks) else [got]
        if not isinstance(op, ops.ClaimTasks | ops.CreateWorker):
            return
        for claimed in made:
            lease = claimed.lease
            account = claimed.worker.account_id
            self.leases.append(Caller(LEASE, account, claimed.id, lease.epoch, lease.token))

    def _under_lease(self, lease: Caller, verb: str, holder: int | None = None) -> None:
        worker = str(lease.worker)
        made: dict[str, Operation[Any]] = {
            "start": ops.StartWorker(id=worker),
            "beat": ops.Heartbeat(id=worker),
            "run": ops.Heartbeat(id=worker, status="running", progress=10),
            "dear": ops.Heartbeat(id=worker, cost_usd=12),
            "ask": ops.AskWorker(id=worker, type="question", prompt="May I?"),
            "pause": ops.PauseWorker(id=worker),
            "done": ops.CompleteWorker(id=worker, result={"by": worker}),
            "other": ops.CompleteWorker(id=worker, result={"by": "somebody"}),
            "fail": ops.FailWorker(id=worker, error="flaky"),
            "no": ops.FailWorker(id=worker, error="impossible", retryable=False),
        }
        self.do(made[verb], lease if holder is None else nth(self.leases, holder))

    def _lease(self, which: int) -> Caller:
        """Mostly one that still counts; at times any that ever did."""
        workers = self.world.workers
        counts = [
            lease
            for lease in self.leases
            if lease.worker in workers
            and workers[lease.worker].held
            and workers[lease.worker].epoch == lease.epoch
        ]
        return which_of(counts, self.leases, which)

    def _worker(self, which: int) -> str:
        """Mostly one that still has its task."""
        holding = [worker.id for worker in self.world.workers.values() if worker.holding]
        return which_of(holding, list(self.world.workers), which)

    def _person(self, by: int) -> Caller:
        return self.accounts[by] if by < len(self.accounts) else self.owner

    def _task(self, which: int) -> str:
        return nth(list(self.world.tasks), which)

    def _in(self, seconds: int | None) -> Any:
        return None if seconds is None else self.clock.now() + timedelta(seconds=seconds)

    def _advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.now = self.clock.now()

    def _open_broker(self) -> None:
        """Its reaper passes once by itself; from then on only when a rule says so."""
        self.broker = Broker.open(self.url, self.settings)
        self.broker.reaper.close()
        self.world.sweep()
        self._see_schedules()

    def _settle_in(self) -> None:
        self.workspaces = []
        for number, limits in enumerate(WORKSPACES):
            made = self._ask(ops.CreateWorkspace(name=f"w{number}", **limits), self.owner)
            slots, cap = made.max_concurrent_workers, made.max_cost_per_day
            self.world.workspaces[made.id] = Workspace(made.id, slots, cap)
            self.workspaces.append(made.id)
        for kind, limits in ACCOUNTS.items():
            made = self._ask(ops.CreateAccount(type=kind, name=kind, **limits), self.owner)
            self.world.accounts[made.id] = Account(
                made.id,
                kind,
                made.max_concurrent_workers,
                made.max_cost_per_day,
                made.max_cost_per_task,
                tasks_per_run=made.max_tasks_per_run,
                cost_per_run=made.max_cost_per_run,
            )
            self.accounts.append(Caller(ACCOUNT, made.id, key=made.api_key))
            for workspace in self.workspaces[: 2 if kind == "user" else 1]:
                self.do(
                    ops.GrantWorkspace(account_id=made.id, workspace_id=workspace, can_create=True),
                    self.owner,
                )


def which_of(apt: list[T], all_of_them: list[T], index: int) -> T:
    """Mostly one of the apt ones, if there are any."""
    return nth(apt, index // 4) if apt and index % 4 < 3 else nth(all_of_them, index // 2)


def nth(things: list[T], index: int) -> T:
    """Counted from the newest, round and round."""
    return things[-1 - index % len(things)]
