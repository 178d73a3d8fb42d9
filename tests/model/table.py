"""The table at which the rules play: a broker and its model, asked the same and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, initialize

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings
from buildd.errors import BuilddError
from buildd.operations import Operation
from buildd.retention import Retention
from buildd.testing import FrozenClock
from tests.model.books import Books
from tests.model.spec import Spec
from tests.model.things import Account, Workspace
from tests.model.words import ACCOUNT, ADMIN, LEASE, Caller, RefusalError, agree
from tests.model.world import World

T = TypeVar("T")

KEEP = Retention(events=timedelta(days=2), tasks=timedelta(days=1))

OWNER_KEY = "the owner of the model"
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


class Table(RuleBasedStateMachine):
    """A broker and its model. A subclass says where databases come from."""

    fresh: ClassVar[Callable[[], str]]
    """Makes an empty database and gives its URL."""
    seen: ClassVar[Counter[str]]
    """How often each step of the state machines and each refusal was met."""

    @initialize()
    def open(self) -> None:
        self.clock = FrozenClock()
        self.url = type(self).fresh()
        self.settings = BrokerSettings(clock=self.clock, admin_key=OWNER_KEY, retention=KEEP)
        self.owner = Caller(ADMIN, key=OWNER_KEY)
        self.world = World(self.clock.now(), self.settings.lease.ttl_delta, KEEP)
        self.spec = Spec(self.world)
        self.accounts: list[Caller] = []
        self.leases: list[Caller] = []
        self.requests: list[tuple[Operation[Any], Caller]] = []
        self.restarts = self.partings = 0
        self._open_broker()
        self.books = Books(self.world, self.seen)
        self._settle_in()

    def teardown(self) -> None:
        if hasattr(self, "broker"):
            try:
                self.books.check_feed(self.broker)
            finally:
                self.broker.close()

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
            if isinstance(op, ops.ReportWorkers):
                answers = (each.error.code if each.error else "accepted" for each in got)
                self.seen.update(f"reported: {answer}" for answer in answers)

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
        caller = lease if holder is None else nth(self.leases, holder)
        self.do(self._deed(str(lease.worker), verb), caller)

    def _direct(self, worker: str, verb: str, caller: Caller) -> None:
        made: dict[str, Operation[Any]] = {
            "start": ops.StartWorker(id=worker),
            "pause": ops.PauseWorker(id=worker),
            "cancel": ops.CancelWorker(id=worker),
        }
        task = self.world.workers[worker].task
        made |= {"off": ops.CancelTask(id=task), "retry": ops.RetryTask(id=task)}
        answer = ops.AnswerWorker(id=worker, content=verb)
        self.do(made.get(verb, answer), caller)

    def _deed(self, worker: str, verb: str) -> Operation[Any]:
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
        return made[verb]

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
        self.broker.housekeeper.close()
        self.world.sweep()
        self._see_schedules()

    def _settle_in(self) -> None:
        self.workspaces = [self._found(limits) for limits in WORKSPACES]
        self.accounts = [self._hire(kind) for kind in ACCOUNTS]
        for number, caller in enumerate(self.accounts):
            for workspace in self.workspaces[: 2 if number == 0 else 1]:
                self._admit(caller, workspace)

    def _found(self, limits: dict[str, Any]) -> str:
        made = self._ask(ops.CreateWorkspace(name="work", **limits), self.owner)
        slots, cap = made.max_concurrent_workers, made.max_cost_per_day
        self.world.workspaces[made.id] = Workspace(made.id, slots, cap)
        return str(made.id)

    def _hire(self, kind: str) -> Caller:
        op = ops.CreateAccount(type=kind, name=kind, **ACCOUNTS[kind])
        made = self._ask(op, self.owner)
        self.world.accounts[made.id] = Account(
            made.id,
            kind,
            made.max_concurrent_workers,
            made.max_cost_per_day,
            made.max_cost_per_task,
            tasks_per_run=made.max_tasks_per_run,
            cost_per_run=made.max_cost_per_run,
        )
        return Caller(ACCOUNT, made.id, key=made.api_key)

    def _admit(self, caller: Caller, workspace: str) -> None:
        op = ops.GrantWorkspace(account_id=caller.account, workspace_id=workspace, can_create=True)
        self.do(op, self.owner)


def which_of(apt: list[T], all_of_them: list[T], index: int) -> T:
    """Mostly one of the apt ones, if there are any."""
    return nth(apt, index // 4) if apt and index % 4 < 3 else nth(all_of_them, index // 2)


def nth(things: list[T], index: int) -> T:
    """Counted from the newest, round and round."""
    return things[-1 - index % len(things)]
