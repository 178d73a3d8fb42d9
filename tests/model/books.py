"""Compares a broker's database with the model, row by row and counter by counter, and its feed with both."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from buildd.broker import ADMIN, Broker
from buildd.events import EventType, Filter
from buildd.states import CLOSED, TASK, WORKER
from buildd.store import Row, Statement, Transaction
from buildd.store import tables as t
from buildd.store.audit import differences
from tests.model.words import agree
from tests.model.world import World

TASKS = Statement(sa.select(t.task))
WORKERS = Statement(sa.select(t.worker))
ACCOUNTS = Statement(sa.select(t.account))
WORKSPACES = Statement(sa.select(t.workspace))
DAYS = Statement(sa.select(t.budget_day))
OPEN_PARENTS = Statement(sa.select(t.dependency))
EVENTS = Statement(
    sa.select(t.event).where(t.event.c.seq > sa.bindparam("after")).order_by(t.event.c.seq)
)
KEPT = Statement(
    sa.select(sa.func.min(t.event.c.seq).label("first"), sa.func.count().label("count"))
)
STEPS = {
    *((source.value, step.target.value) for step in TASK.steps for source in step.sources),
    *((source.value, step.target.value) for step in WORKER.steps for source in step.sources),
}
MOVES = {EventType.TASK_UPDATED, EventType.TASK_CANCELLED, EventType.WORKER_STATUS}


class Books:
    """What was read so far of one database's events, and the statuses they tell."""

    def __init__(self, world: World, seen: Counter[str]) -> None:
        self._world = world
        self._seen = seen
        self._events: list[Row] = []
        """Those that must still be there."""
        self._last = 0
        self._told: dict[str, str] = {}
        self._completions: Counter[str] = Counter()

    def check(self, broker: Broker) -> None:
        """Everything must be as the model says."""
        broker._store.read(self._check).result()

    def check_feed(self, broker: Broker) -> None:
        """Whoever listens hears each event that is kept once, in order, and of the gap before them."""
        kept = [row.seq for row in self._events]
        forgotten = self._last - len(kept)
        agree(self._heard(broker, 0, len(kept)), kept)
        if forgotten > 1:
            agree(self._heard(broker, 1, len(kept) + 1), [forgotten, *kept])

    def _heard(self, broker: Broker, after: int, count: int) -> list[int]:
        heard: list[int] = []
        rung = threading.Event()
        feed = broker.subscribe(ADMIN, after, Filter(), rung.set).result()
        while len(heard) < count:
            rung.clear()
            heard.extend(notice.event.seq for notice in feed.drain())
            if len(heard) < count:
                rung.wait()
        feed.close()
        return heard

    def _check(self, tx: Transaction) -> None:
        self._check_tasks(tx.all(TASKS))
        workers = tx.all(WORKERS)
        self._check_workers(workers)
        self._check_slots(tx, workers)
        self._check_money(tx, workers)
        self._check_dependencies(tx)
        self._check_events(tx)
        agree(differences(tx), [])

    def _check_tasks(self, rows: list[Row]) -> None:
        agree({row.id for row in rows}, set(self._world.tasks))
        for row in rows:
            task = self._world.tasks[row.id]
            want = (
                task.status,
                task.worker,
                task.claimed_by,
                task.attempt,
                task.epoch,
                task.cost,
                len(task.waits),
            )
            agree(
                (
                    row.status,
                    row.worker_id,
                    row.claimed_by,
                    row.attempt,
                    row.epoch,
                    row.cost_usd,
                    row.open_dependencies,
                ),
                want,
            )
            agree({name: getattr(row, name) for name in task.fields}, task.fields)
            if task.status in CLOSED:
                agree(row.updated_at, task.changed)
            if task.between is not None:
                assert task.between[0] <= row.not_before <= task.between[1]
                task.not_before, task.between = row.not_before, None
            agree(row.not_before, task.not_before)
            assert row.epoch >= self._world.epochs.get(row.id, 0)
            self._world.epochs[row.id] = row.epoch

    def _check_workers(self, rows: list[Row]) -> None:
        agree({row.id for row in rows}, set(self._world.workers))
        for row in rows:
            worker = self._world.workers[row.id]
            want = (
                worker.status,
                worker.epoch,
                worker.held,
                worker.pause_asked,
                worker.progress,
                worker.turns,
                worker.cost,
                worker.reserved,
                worker.code,
                worker.may_overspend,
                worker.deadline if worker.live else row.deadline,
                worker.run,
            )
            got = (
                row.status,
                row.epoch,
                row.held,
                row.pause_requested_at,
                row.progress,
                row.turns,
                row.cost_usd,
                row.reserved,
                row.error_code,
                row.may_overspend,
                row.deadline,
                row.run_id,
            )
            agree(got, want)
            if worker.live:
                agree(row.lease_expires_at, worker.expires)

    def _check_slots(self, tx: Transaction, workers: list[Row]) -> None:
        live = Counter(
            owner
            for row in workers
            if self._world.workers[row.id].live
            for owner in (row.account_id, row.workspace_id)
        )
        for row in [*tx.all(ACCOUNTS), *tx.all(WORKSPACES)]:
            agree(row.live_workers, live[row.id])
            agree(row.live_workers, self._world.live(row.id))
        for row in tx.all(ACCOUNTS):
            account = self._world.accounts[row.id]
            agree((row.total_tasks, row.deleted_at is not None), (account.done, account.deleted))

    def _check_money(self, tx: Transaction, workers: list[Row]) -> None:
        reserved: defaultdict[tuple[str, date], Decimal] = defaultdict(Decimal)
        for row in workers:
            if row.reserved:
                for owner in (row.account_id, row.workspace_id):
                    reserved[owner, row.reserved_day] += row.reserved
        days = {(row.owner_id, row.day): row for row in tx.all(DAYS)}
        for key in {*days, *reserved, *self._world.spent}:
            row = days.get(key)
            got = (row.spent, row.reserved) if row else (Decimal(0), Decimal(0))
            agree(got, (self._world.spent[key], reserved[key]))
        for row in tx.all(ACCOUNTS):
            mine = (amount for (owner, _), amount in self._world.spent.items() if owner == row.id)
            agree(row.total_cost, sum(mine, Decimal(0)))

    def _check_dependencies(self, tx: Transaction) -> None:
        edges = {(row.child_id, row.parent_id, row.done) for row in tx.all(OPEN_PARENTS)}
        want = {
            (task.id, parent, parent not in task.waits)
            for task in self._world.tasks.values()
            for parent in task.parents
        }
        agree(edges, want)

    def _check_events(self, tx: Transaction) -> None:
        fresh = tx.all(EVENTS, after=self._last)
        for row in fresh:
            self._last += 1
            agree(row.seq, self._last)
            self._hear(row)
        since = self._world.events_since
        heard = [*self._events, *fresh]
        self._events = [row for row in heard if since is None or row.at >= since]
        kept = tx.all(KEPT)[0]
        first = self._events[0].seq if self._events else None
        agree((kept.first, kept.count), (first, len(self._events)))
        self._seen["forgotten: event"] += len(heard) - len(self._events)
        statuses = {task.id: str(task.status) for task in self._world.tasks.values()}
        statuses |= {worker.id: str(worker.status) for worker in self._world.workers.values()}
        self._told = {about: told for about, told in self._told.items() if about in statuses}
        agree(self._told, statuses)
        agree(dict(self._completions), dict(self._world.accepted))
        assert all(count == 1 for count in self._completions.values())

    def _hear(self, row: Row) -> None:
        data: dict[str, Any] = row.data
        if row.type == EventType.WORKER_COMPLETED:
            self._completions[row.task_id] += 1
        if row.type == EventType.TASK_CREATED:
            self._told[row.task_id] = data["status"]
        if row.type not in MOVES:
            return
        about = row.worker_id if row.type == EventType.WORKER_STATUS else row.task_id
        if data.get("deleted"):
            assert about not in self._world.tasks
            return
        before = data["previousStatus"]
        agree(before, self._told.get(about))
        if before is not None and before != data["status"]:
            assert (before, data["status"]) in STEPS, f"{before} became {data['status']}"
            self._seen[f"{row.type.split(':')[0]}: {before} → {data['status']}"] += 1
        self._told[about] = data["status"]
