"""Whole lives of attempts, as rules: chance alone would seldom get from a claim to its end."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from buildd import operations as ops
from buildd.states import WorkerStatus
from tests.model.table import Table, which_of
from tests.model.things import Worker
from tests.model.words import Caller

BY_PERSONS = ["do start", "do pause", "do cancel", "off", "retry", "yes", "go on", "stop"]
DEEDS = [
    "start",
    "run",
    "dear",
    "ask",
    "pause",
    "done",
    "fail",
    "no",
    "claim",
    "stale",
    *BY_PERSONS,
]
APT = {
    WorkerStatus.IDLE: ["start", "start", "do pause"],
    WorkerStatus.STARTING: ["run", "run", "pause", "done"],
    WorkerStatus.RUNNING: ["ask", "ask", "pause", "dear", "done", "fail", "no"],
    WorkerStatus.WAITING_INPUT: ["yes", "yes", "pause", "done", "done", "do cancel"],
    WorkerStatus.PAUSED: ["do start", "do start", "go on", "more"],
    WorkerStatus.ERROR: ["retry", "more"],
}
"""What mostly comes next."""
LIFE = st.lists(st.integers(0, 99), min_size=2, max_size=16)
WHO = st.integers(0, 2)


class Lives(Table):
    """Tasks that somebody takes, and what becomes of that."""

    @rule(
        cap=st.sampled_from([None, None, Decimal(1), Decimal(4)]),
        seconds=st.sampled_from([None, None, 20]),
        who=WHO,
        life=LIFE,
    )
    def work_comes_and_is_taken(
        self, cap: Decimal | None, seconds: int | None, who: int, life: list[int]
    ) -> None:
        self._take_more(self.accounts[who], max_cost=cap, timeout_seconds=seconds)
        if self.world.workers:
            self._live(self._worker(0), life)

    @precondition(lambda self: self.world.workers)
    @rule(which=st.integers(0, 11), life=LIFE)
    def work_goes_on(self, which: int, life: list[int]) -> None:
        self._live(self._worker(which), life)

    def _take_more(self, caller: Caller, **limits: Any) -> None:
        op = ops.CreateTask(workspace_id=self.workspaces[0], title="work", priority=1, **limits)
        self.do(op, self.owner)
        self.do(ops.ClaimTasks(run_id="run 1"), caller)

    def _live(self, worker_id: str, life: list[int]) -> None:
        for index in life:
            worker = self.world.workers.get(worker_id)
            if worker is not None:
                self._do_one(worker, which_of(self._apt(worker), DEEDS, index))

    def _apt(self, worker: Worker) -> list[str]:
        if worker.status is WorkerStatus.STARTING and not worker.held:
            return ["claim"]
        is_successor = worker.live and self._leases(worker)[0].epoch != worker.epoch
        return APT.get(worker.status, []) + ["stale"] * is_successor

    def _do_one(self, worker: Worker, deed: str) -> None:
        account = next((c for c in self.accounts if c.account == worker.account), self.accounts[0])
        if deed in BY_PERSONS:
            self._direct(worker.id, deed.removeprefix("do "), self.owner)
        elif deed == "more":
            self._take_more(account)
        elif deed == "claim":
            self.do(ops.ClaimTasks(run_id="run 1"), account)
        elif deed == "stale":
            self._under_lease(self._leases(worker)[0], "done")
        else:
            self._under_lease(self._leases(worker)[-1], deed)

    def _leases(self, worker: Worker) -> list[Caller]:
        """Those that it had, the oldest first."""
        return [lease for lease in self.leases if lease.worker == worker.id]
