"""A campaign: a real installation at work, a nemesis that breaks it, a healing, and a verdict."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path

import buildd
from buildd.errors import BuilddError, Conflict, Unavailable
from buildd.models import Task
from buildd.operations import CreateTask
from buildd.states import CLOSED, OnDependencyFailure, WorkerStatus
from tests.chaos.agents import POISON
from tests.chaos.history import History
from tests.chaos.judge import Verdict, judge
from tests.chaos.parts import ADMIN_KEY, AgentProcess, MortalPostgres, ServerProcess
from tests.chaos.proxy import Proxy
from tests.faults.snapshot import rows

_SLOTS = (3, 5, 6, 8)
_WORKSPACE_SLOTS = 14
_SUBSCRIBERS = 4
_CREATORS = 4
_HEALING_SECONDS = 180.0
_HEARING_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    database: str
    seconds: float = 60
    rate: float = 8
    """Tasks created each second while things break."""
    processes: int = 4
    agents: int = 6
    """Agents in each process."""
    ttl: float = 3
    seed: int = 1


@dataclass
class Outcome:
    """What was done to the installation, and what came of it."""

    plan: Plan
    faults: Counter[str] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)
    server_recoveries: list[float] = field(default_factory=list)
    seconds: float = 0


class Campaign:
    """One run. `postgres` is None for SQLite."""

    def __init__(self, plan: Plan, directory: Path, postgres: MortalPostgres | None) -> None:
        self.plan = plan
        self._chance = random.Random(plan.seed)
        self._postgres = postgres
        self.url = f"sqlite:///{directory}/chaos.db" if postgres is None else postgres.url("chaos")
        self._history = History(directory / "history")
        count = 1 if postgres is None else 2
        self._servers = [
            ServerProcess(self.url, plan.ttl, directory / f"server-{number}.log")
            for number in range(count)
        ]
        self._proxies = [Proxy(server.port) for server in self._servers]
        self._outcome = Outcome(plan)
        self._breaking = threading.Event()
        self._over = threading.Event()
        self._seen: list[list[int]] = [[] for _ in range(_SUBSCRIBERS)]
        self._history_path = directory / "history"
        self._agents: list[AgentProcess] = []
        self._workspace = ""

    def run(self) -> Outcome:
        """Build it up, break it, heal it, judge it."""
        began = time.monotonic()
        try:
            self._build()
            threads = [threading.Thread(target=each, daemon=True) for each in self._crowd()]
            for thread in threads:
                thread.start()
            self._break_things()
            self._heal(creators=threads[:_CREATORS])
            self._listen_to_the_end()
        finally:
            self._stop()
        deaths = [death for agent in self._agents for death in agent.deaths]
        self._outcome.verdict = judge(self.url, self._history.read(), self._seen, deaths)
        self._outcome.server_recoveries = sorted(
            seconds for server in self._servers for seconds in server.recoveries
        )
        self._outcome.seconds = time.monotonic() - began
        return self._outcome

    def _build(self) -> None:
        for server in self._servers:
            server.start()
        for server in self._servers:
            server.wait_ready()
        with self._owner() as bd:
            self._workspace = bd.workspaces.create(
                name="chaos", max_concurrent_workers=_WORKSPACE_SLOTS
            ).id
            keys = [self._account(bd, number, slots) for number, slots in enumerate(_SLOTS)]
        for number in range(self.plan.processes):
            config = {
                "urls": [f"http://127.0.0.1:{proxy.port}" for proxy in self._proxies],
                "keys": [keys[each % len(keys)] for each in range(self.plan.agents)],
                "name": f"process-{number}",
                "ttl": self.plan.ttl,
                "seed": f"{self.plan.seed}-{number}",
                "history": str(self._history_path),
            }
            self._agents.append(AgentProcess(config))
            self._agents[-1].start()

    def _account(self, bd: buildd.Client, number: int, slots: int) -> str:
        # The first is poor: its budget for the day is used up within the campaign.
        budget = 1 if number == 0 else 1000
        made = bd.accounts.create(
            type="service",
            name=f"account {number}",
            max_concurrent_workers=slots,
            max_cost_per_day=budget,
        )
        bd.accounts.grant(account_id=made.id, workspace_id=self._workspace)
        return made.api_key

    def _crowd(self) -> list[Callable[[], None]]:
        self._breaking.set()
        listeners = [partial(self._listen, seen) for seen in self._seen]
        creators = [partial(self._create, number) for number in range(_CREATORS)]
        return [*creators, *listeners]

    def _owner(self, *, through_proxy: bool = False) -> buildd.Client:
        ports = [proxy.port for proxy in self._proxies] if through_proxy else []
        port = random.choice(ports or [server.port for server in self._servers])
        return buildd.connect(f"http://127.0.0.1:{port}", api_key=ADMIN_KEY)

    def _create(self, creator: int) -> None:
        """Put tasks in, each until that is acknowledged; now and then call one off."""
        chance = random.Random(f"{self.plan.seed}-{creator}")
        made: list[str] = []
        while self._breaking.is_set():
            made.append(self._create_one(f"{creator}.{len(made)}", chance, made))
            if chance.random() < 0.04:
                self._cancel(chance.choice(made[-20:]))
            time.sleep(chance.uniform(0, 2 * _CREATORS / self.plan.rate))

    def _create_one(self, number: str, chance: random.Random, made: list[str]) -> str:
        poison = chance.random() < 0.02
        waits = chance.random() < 0.1 and made and not poison
        title = f"{POISON} {number}" if poison else f"task {number}"
        request = CreateTask(  # made once, because the key stands for exactly this
            workspace_id=self._workspace,
            title=title,
            idempotency_key=title,
            max_attempts=3 if poison else 30,
            max_cost=Decimal("0.1"),
            depends_on=[made[-1]] if waits else [],
            on_dependency_failure=OnDependencyFailure.RUN,
            priority=chance.randint(0, 2),
        )
        task = self._persist(lambda bd: bd.send(request))
        self._history.add("created", task.id)
        return str(task.id)

    def _cancel(self, task: str) -> None:
        with suppress(Conflict):
            self._persist(lambda bd: bd.tasks.cancel(id=task))
            self._history.add("cancelled", task)

    def _persist(self, ask: Callable[[buildd.Client], Task]) -> Task:
        while True:
            with self._owner(through_proxy=True) as bd, suppress(Unavailable):
                return ask(bd)
            time.sleep(0.1)

    def _listen(self, seen: list[int]) -> None:
        while not self._over.is_set():
            with self._owner(through_proxy=True) as bd, suppress(BuilddError):
                for event in bd.events(after=seen[-1] if seen else 0):
                    seen.append(event.seq)
                    if self._over.is_set():
                        return
            time.sleep(0.1)

    def _break_things(self) -> None:
        until = time.monotonic() + self.plan.seconds
        faults = [
            self._kill_server,
            self._kill_agent,
            self._stop_agent,
            self._cut,
            self._cut_in_the_middle,
            self._hold,
            *([self._kill_postgres] if self._postgres else []),
        ]
        while time.monotonic() < until:
            time.sleep(self._chance.uniform(0.2, 1.2))
            fault = self._chance.choice(faults)
            fault()
            self._outcome.faults[fault.__name__.strip("_").replace("_", " ")] += 1

    def _kill_server(self) -> None:
        self._chance.choice(self._servers).strike()

    def _kill_agent(self) -> None:
        agent = self._chance.choice(self._agents)
        agent.kill()
        agent.start()

    def _stop_agent(self) -> None:
        agent = self._chance.choice(self._agents)
        agent.stop()
        time.sleep(1.6 * self.plan.ttl)
        agent.go_on()

    def _cut(self) -> None:
        self._chance.choice(self._proxies).cut()

    def _cut_in_the_middle(self) -> None:
        self._chance.choice(self._proxies).cut_after(self._chance.randint(1, 20_000))

    def _hold(self) -> None:
        proxy = self._chance.choice(self._proxies)
        proxy.hold()
        time.sleep(self._chance.uniform(0.2, self.plan.ttl))
        proxy.flow()

    def _kill_postgres(self) -> None:
        assert self._postgres is not None
        self._postgres.kill()
        time.sleep(self._chance.uniform(0, 0.5))
        self._postgres.start()

    def _heal(self, creators: Sequence[threading.Thread]) -> None:
        """Nothing breaks any more, and a person looks after what was put aside."""
        self._breaking.clear()
        for proxy in self._proxies:
            proxy.flow()
        for server in self._servers:
            server.wait_recovered()
        for creator in creators:
            creator.join(_HEALING_SECONDS)
        patience = time.monotonic() + _HEALING_SECONDS
        with self._owner() as bd:
            while time.monotonic() < patience and self._open():
                for worker in bd.workers.list(status=WorkerStatus.PAUSED, limit=200):
                    with suppress(Conflict):
                        bd.tasks.release(id=worker.task_id)
                time.sleep(0.2)

    def _open(self) -> bool:
        # In one statement: between two questions a running task may have become pending again.
        return any(task["status"] not in CLOSED for task in rows(self.url, "task")["task"])

    def _listen_to_the_end(self) -> None:
        """Nothing happens any more: wait until all subscribers have heard the last event."""
        for agent in self._agents:
            agent.retire()
        [last] = [
            row["value"]
            for row in rows(self.url, "counter")["counter"]
            if row["name"] == "event_seq"
        ]
        patience = time.monotonic() + _HEARING_SECONDS
        while time.monotonic() < patience and any(seen[-1:] != [last] for seen in self._seen):
            time.sleep(0.1)

    def _stop(self) -> None:
        self._over.set()
        for agent in self._agents:
            agent.retire()
        for server in self._servers:
            server.kill()
        for proxy in self._proxies:
            proxy.close()
