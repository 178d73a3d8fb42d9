"""Reads what happened from the events, and holds every moment of it, not only the end, to what must be so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from buildd.broker import Broker
from buildd.events import EventType
from buildd.states import CLOSED, ENDED, HOLDING, LIVE, TaskStatus, WorkerStatus
from buildd.store import Row, Statement
from buildd.store import tables as t

EVENTS = Statement(sa.select(t.event).order_by(t.event.c.seq))


@dataclass
class History:
    """The statuses as the events tell them, and what was broken on the way."""

    limits: Mapping[str, int]
    """How many workers an account or a workspace may have at once."""
    parents: Mapping[str, list[str]]
    """What each task depends on."""
    workers: dict[str, WorkerStatus] = field(default_factory=dict)
    tasks: dict[str, TaskStatus] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    live: Counter[str] = field(default_factory=Counter)
    completions: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def hear(self, row: Row) -> None:
        if row.type == EventType.WORKER_STATUS:
            self._worker_moved(row)
        elif row.type == EventType.WORKER_COMPLETED:
            self.completions[row.task_id] += 1
        elif row.type in {EventType.TASK_UPDATED, EventType.TASK_CANCELLED}:
            self._task_moved(row)

    def _worker_moved(self, row: Row) -> None:
        was, now = self.workers.get(row.worker_id), WorkerStatus(row.data["status"])
        self.workers[row.worker_id] = now
        if was in ENDED:
            self.broken.append(f"{row.seq}: {row.worker_id} was {was} and became {now}")
        if was is None:
            self._taken(row)
        elif now not in HOLDING and self.holders.get(row.task_id) == row.worker_id:
            del self.holders[row.task_id]
        change = (now in LIVE) - (was in LIVE)
        for owner in (row.account_id, row.workspace_id):
            self.live[owner] += change
            self.most[owner] = max(self.most[owner], self.live[owner])
            if self.live[owner] > self.limits.get(owner, self.live[owner]):
                self.broken.append(f"{row.seq}: {owner} has {self.live[owner]} workers")

    def _taken(self, row: Row) -> None:
        if row.task_id in self.holders:
            self.broken.append(f"{row.seq}: {row.task_id} has two holders")
        self.holders[row.task_id] = row.worker_id
        early = [p for p in self.parents.get(row.task_id, []) if not self.completions[p]]
        if early:
            self.broken.append(f"{row.seq}: {row.task_id} began before {early}")

    def _task_moved(self, row: Row) -> None:
        was, now = self.tasks.get(row.task_id), TaskStatus(row.data["status"])
        retried = was in CLOSED - {TaskStatus.COMPLETED} and now is TaskStatus.PENDING
        if was in CLOSED and not retried and was is not now:
            self.broken.append(f"{row.seq}: {row.task_id} was {was} and became {now}")
        self.tasks[row.task_id] = now


def read(
    broker: Broker,
    limits: Mapping[str, int] | None = None,
    parents: Mapping[str, list[str]] | None = None,
) -> History:
    """All that happened; asserts that nothing impossible did, and that no event is missing."""
    rows = broker._store.read(lambda tx: tx.all(EVENTS)).result()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    history = History(limits or {}, parents or {})
    for row in rows:
        history.hear(row)
    assert history.broken == []
    assert all(count == 1 for count in history.completions.values())
    return history
