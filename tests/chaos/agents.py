"""A process with several agents that do short tasks over HTTP, until it is killed.

    python -m tests.chaos.agents < config.json

The configuration comes by standard input, because it holds keys. What an agent does with a task is
drawn from the seed: most report and complete it; some fail, hand it back, or fall silent for ever.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import buildd
from buildd.errors import BuilddError, Conflict, LeaseLost, Unavailable
from buildd.models import Beat, Claimed, Order
from tests.chaos.history import History

R = TypeVar("R")

POISON = "poison"


@dataclass
class Agent:
    """One agent: a key, the servers it knows, and its own chance."""

    urls: list[str]
    key: str
    name: str
    ttl: float
    history: History
    chance: random.Random

    def run(self) -> None:
        """Work for ever, at whichever server answers."""
        self._servers = [buildd.connect(url, api_key=self.key) for url in self.urls]
        while True:
            try:
                claim = self._server().workers.claim(wait_seconds=2, agent_id=self.name)
                for claimed in claim.workers:
                    self._work(claimed)
            except BuilddError:
                self._catch_breath()

    def _server(self) -> buildd.Client:
        return self.chance.choice(self._servers)

    def _catch_breath(self) -> None:
        time.sleep(self.chance.uniform(0.05, 0.3))

    def _work(self, claimed: Claimed) -> None:
        self._note("claimed", claimed)
        if claimed.task.title.startswith(POISON):
            return  # as if it had killed this agent
        try:
            self._attempt(claimed)
        except LeaseLost:
            self._note("lease_lost", claimed)
        except Conflict:
            pass

    def _attempt(self, claimed: Claimed) -> None:
        self._report(claimed, lambda lease: lease.workers.start(id=claimed.id))
        cost = 0.0
        for step in range(self.chance.randint(1, 4)):
            cost += self.chance.uniform(0, 0.04)
            beat = self._beat(claimed, cost, progress=25 * step)
            if Order.PAUSE in beat.orders:
                self._report(claimed, lambda lease: lease.workers.pause(id=claimed.id))
                return
            if Order.BUDGET_EXHAUSTED in beat.orders:
                break
            time.sleep(self.chance.uniform(0, self.ttl / 8))
        self._end(claimed)

    def _beat(self, claimed: Claimed, cost: float, progress: int) -> Beat:
        return self._report(
            claimed,
            lambda lease: lease.workers.heartbeat(
                id=claimed.id, status="running", cost_usd=round(cost, 6), progress=progress
            ),
        )

    def _end(self, claimed: Claimed) -> None:
        fate = self.chance.random()
        if fate < 0.08:
            self._report(claimed, lambda lease: lease.workers.fail(id=claimed.id, error="no luck"))
        elif fate < 0.12:
            self._report(
                claimed, lambda lease: lease.tasks.release(id=claimed.task_id, reason="drain")
            )
        elif fate >= 0.15:  # else it falls silent
            result = {"worker": claimed.id}
            self._report(
                claimed, lambda lease: lease.workers.complete(id=claimed.id, result=result)
            )
            self._note("completed", claimed)

    def _report(self, claimed: Claimed, send: Callable[[buildd.Client], R]) -> R:
        """Send until it is answered, to any server; a report may come twice."""
        while True:
            try:
                return send(self._server().with_key(claimed.lease.token))
            except Unavailable:
                self._catch_breath()

    def _note(self, what: str, claimed: Claimed) -> None:
        self.history.add(what, claimed.task_id, claimed.id, claimed.lease.epoch)


def main() -> None:
    """Run the agents of the configuration until this process is killed."""
    given = json.load(sys.stdin)
    history = History(Path(given["history"]))
    threads = [
        threading.Thread(
            target=Agent(
                urls=list(given["urls"]),
                key=key,
                name=f"{given['name']}-{number}",
                ttl=given["ttl"],
                history=history,
                chance=random.Random(f"{given['seed']}-{number}"),
            ).run,
            daemon=True,
        )
        for number, key in enumerate(given["keys"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
