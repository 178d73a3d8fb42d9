"""A campaign on the scripted platform: two dispatchers, of which each may die in each of its calls."""

from __future__ import annotations

import random
import time
from contextlib import closing, suppress

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings, Principal
from buildd.errors import BuilddError, Unreachable
from buildd.models import Claimed, Launch, Task
from buildd.states import TaskStatus
from buildd.testing import FrozenClock
from tests.broker.conftest import House
from tests.dispatch.depot import Depot
from tests.dispatch.figures import Figures
from tests.dispatch.platform import Fault, Killed, When

_HOW = (Unreachable("the line is dead"), Killed(), None)
_MOST_ROUNDS = 5_000


class Campaign:
    """Tasks, agents that a chance plays, and faults between them."""

    def __init__(self, depot: Depot, tasks: int, seed: int) -> None:
        self.depot = depot
        self.double_runs = self.faults = 0
        self._chance = random.Random(seed)
        self._working: dict[str, tuple[Claimed, Principal]] = {}
        self._tasks = [depot.task(max_attempts=100) for _ in range(tasks)]
        self._servers = [depot.another_server(call=0.05) for _ in range(2)]
        self._to_come: dict[tuple[str, str], list[When]] = {}
        depot.platform.luck = self._fault

    def run(self) -> None:
        """Go on until every task is done, then for as long as a sweep needs."""
        for _ in range(_MOST_ROUNDS):
            if not self.unfinished():
                break
            self._round()
        self.depot.platform.luck = lambda _method, _order: None
        for _ in range(12):
            self._servers[0].round()
            self.depot.house.clock.advance(61)

    def unfinished(self) -> list[Task]:
        self._tasks = [
            task
            for task in map(self.depot.house.see, self._tasks)
            if task.status is not TaskStatus.COMPLETED
        ]
        return self._tasks

    def launches(self) -> list[Launch]:
        found: list[Launch] = []
        while True:
            cursor = found[-1].id if found else None
            page = self.depot.house.admin(ops.ListLaunches(limit=200, cursor=cursor))
            if not page:
                return found
            found += page

    def _round(self) -> None:
        self._chance.choice(self._servers).round()
        alive = self.depot.platform.alive()
        for launch_id in self._working.keys() - alive:
            self._hand_back(launch_id)
        for launch_id in alive:
            self._play(launch_id)
        tasks = [claimed.task_id for claimed, _ in self._working.values()]
        self.double_runs += len(tasks) - len({*tasks})
        self.depot.house.clock.advance(self._chance.choice((1, 5, 10, 60)))

    def _fault(self, method: str, order_id: str) -> Fault | None:
        """Each call of each order fails before, in the middle and after it, each time somehow."""
        left = self._to_come.get((method, order_id))
        if left is None:
            left = self._to_come[method, order_id] = self._chance.sample(list(When), len(When))
        if not left:
            return None
        self.faults += 1
        return Fault(method, left.pop(), self._chance.choice(_HOW))

    def _play(self, launch_id: str) -> None:
        """The agent of a launch does something, or nothing yet."""
        launch = self.depot.house.admin(ops.GetLaunch(id=launch_id))
        dice = self._chance.random()
        try:
            if dice < 0.1:
                self.depot.house.admin(ops.StopLaunch(id=launch_id))
            elif dice < 0.2:
                self._end(launch_id, 1)
            elif dice < 0.7 and launch_id in self._working:
                self.depot.done(self._working[launch_id])
                self._end(launch_id, 0)
            elif dice < 0.7:
                self._working[launch_id] = self.depot.works(launch)
        except (BuilddError, ValueError):
            self._end(launch_id, 1)  # what an agent does that gets no work, or has lost it

    def _hand_back(self, launch_id: str) -> None:
        """What an agent does that is asked to end."""
        claimed, lease = self._working.pop(launch_id)
        with suppress(BuilddError):
            release = ops.ReleaseTask(id=claimed.task_id, reason="drain")
            self.depot.house.broker.execute(release, lease)

    def _end(self, launch_id: str, code: int) -> None:
        self.depot.platform.end(launch_id, code)
        if launch_id in self._working:
            self._hand_back(launch_id)


def scripted(url: str, tasks: int, seed: int) -> Figures:
    """One campaign on a fresh database."""
    began, clock = time.monotonic(), FrozenClock()
    with closing(Broker.open(url, BrokerSettings(clock=clock))) as broker:
        depot = Depot(House(broker, clock))
        owner = depot.house.account("service", max_concurrent_workers=20)
        depot.pool(owner, maximum=10, start_timeout_seconds=900)
        campaign = Campaign(depot, tasks, seed)
        campaign.run()
        return Figures(
            f"a scripted platform and dispatchers that die, on {url.partition(':')[0]}",
            launches=len(campaign.launches()),
            faults=campaign.faults,
            orphans=len(depot.platform.alive()),
            double_runs=campaign.double_runs,
            unfinished=len(campaign.unfinished()),
            seconds=time.monotonic() - began,
        )
