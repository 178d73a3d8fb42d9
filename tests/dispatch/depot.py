"""Short words for tests of the dispatcher: an installation, a platform, and rounds made by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, Principal
from buildd.broker.dispatch import Means, Pace
from buildd.broker.dispatch.rounds import Rounds
from buildd.errors import BuilddError
from buildd.models import Claim, Claimed, Launch, Leftover, Pool, PoolCheck, Task
from tests.broker.conftest import House
from tests.dispatch.platform import NAME, Killed, Platform


class Server:
    """One dispatcher on the installation, driven round by round."""

    def __init__(self, broker: Broker, means: Means, pace: Pace) -> None:
        context = partial(broker._context, principal=ADMIN)
        self.rounds = Rounds(broker._store, context, means, pace)

    def round(self) -> None:
        """Everything that is due now, to its end; a `Killed` platform call ends it as kill -9 would."""
        try:
            anyio.run(self._round)
        except* Killed:
            self.rounds._taken.clear()

    async def _round(self) -> None:
        async with anyio.create_task_group() as tasks:
            await self.rounds.go(tasks)

    def check(self, pool: Pool) -> PoolCheck:
        return anyio.run(self.rounds.check, ops.CheckPool(id=pool.id))

    def reap(self, pool: Pool, *, dry_run: bool = False) -> list[Leftover]:
        return anyio.run(self.rounds.reap, ops.ReapPool(id=pool.id, dry_run=dry_run))


class Depot:
    """A house with pools, a platform they start things on, and servers that look after them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.platform = Platform()
        self.environ: dict[str, str] = {}
        self.prefer: Any = None
        self.server = self.another_server()

    def another_server(self, **pace: float) -> Server:
        means = Means(self.platform.make, "http://127.0.0.1:3000", self.environ, prefer=self.prefer)
        return Server(self.house.broker, means, Pace(**pace))

    def pool(self, account: Principal | None = None, **fields: Any) -> Pool:
        owner = account or self.house.account("service")
        given = {"name": "p", "runner": NAME, "maximum": 3, **fields}
        return self.house.admin(ops.CreatePool(account_id=str(owner.account_id), **given))

    def change(self, pool: Pool, **fields: Any) -> Pool:
        return self.house.admin(ops.UpdatePool(id=pool.id, **fields))

    def see(self, pool: Pool) -> Pool:
        return self.house.admin(ops.GetPool(id=pool.id))

    def task(self, **fields: Any) -> Task:
        return self.house.task(**fields)

    def launches(self, **fields: Any) -> list[Launch]:
        """The oldest first."""
        return self.house.admin(ops.ListLaunches(**fields))[::-1]

    def launch(self) -> Launch:
        """The only one."""
        [found] = self.launches()
        return found

    def statuses(self) -> list[str]:
        return [each.status.value for each in self.launches()]

    def rounds(self, many: int = 1, *, pause: float = 20.0) -> None:
        """Some rounds, with time between them."""
        for _ in range(many):
            self.server.round()
            self.house.clock.advance(pause)

    def key(self, launch: Launch) -> str:
        """What the agent of a launch was given."""
        return self.platform.machines[launch.id].order.key

    def agent(self, launch: Launch) -> Principal:
        """Whom the agent of a launch comes in as."""
        return self.house.broker.authenticate(self.key(launch)).result()

    def claim(self, launch: Launch) -> Claim:
        """The agent of a launch asks for its task."""
        return self.house.claim(self.agent(launch), agent_id=f"agent-{launch.id}", max_tasks=1)

    def works(self, launch: Launch) -> tuple[Claimed, Principal]:
        """The agent of a launch is at work."""
        [claimed] = self.claim(launch).workers
        lease = self.house.broker.authenticate(claimed.lease.token).result()
        self.house.broker.execute(ops.StartWorker(id=claimed.id), lease)
        self.house.broker.execute(ops.Heartbeat(id=claimed.id, status="running"), lease)
        return claimed, lease

    def done(self, work: tuple[Claimed, Principal]) -> None:
        claimed, lease = work
        self.house.broker.execute(ops.CompleteWorker(id=claimed.id, result={}), lease)

    def refused(self, launch: Launch) -> BuilddError | None:
        """Why the agent of a launch gets nothing, or None if it got its task."""
        try:
            claim = self.claim(launch)
        except BuilddError as problem:
            return problem
        return None if claim.workers else BuilddError(claim.reason.message if claim.reason else "")
