"""How a broker does, in figures: what it counts as it goes, and what the database says when asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any

from buildd.budget import budget_day
from buildd.events import Event, EventType
from buildd.figures import Distribution, Spread, Tally
from buildd.models import Claim, Claimed
from buildd.routing import RunnerPreference
from buildd.states import (
    CLOSED,
    HOLDING,
    OPEN_DELIVERY,
    OPEN_LAUNCH,
    OVER,
    DeliveryStatus,
    ErrorCode,
)
from buildd.store import Transaction
from buildd.store.sql import events as sql_events
from buildd.store.sql import figures as sql

OTHER = "other"
"""In the place of an error code that an agent made up."""
_ALIVE = timedelta(seconds=60)
_LATELY = timedelta(hours=1)
_CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WAIT_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)
_CODES = frozenset(ErrorCode)


class Figures:
    """What one broker counts. Of tasks, attempts and launches it counts what any broker did."""

    def __init__(self) -> None:
        self.claim_seconds = Distribution(*_CALL_SECONDS)
        """How long a claim took that did not wait, or one try of a claim that does."""
        self.task_wait_seconds = Distribution(*_WAIT_SECONDS)
        """From when a task was created, or may be done, to its first claim."""
        self.tasks_ended = Tally()
        self.attempts_failed = Tally()
        self.launches_ended = Tally()

    def claiming(self, call: Future[Any]) -> None:
        """Measure a claim that is under way."""
        began = perf_counter()
        call.add_done_callback(lambda done: self._claimed(done, perf_counter() - began))

    def hear(self, event: Event) -> None:
        """Count what the feed tells of."""
        now, before = event.data.get("status"), event.data.get("previousStatus")
        match event.type:
            case EventType.TASK_UPDATED | EventType.TASK_CANCELLED:
                if now in CLOSED and before not in {now, None}:
                    self.tasks_ended.add(str(now))
            case EventType.WORKER_ERROR:
                code = event.data.get("errorCode")
                self.attempts_failed.add(str(code) if code in _CODES else OTHER)
            case EventType.LAUNCH_UPDATED:
                if now in OVER and before != now:
                    self.launches_ended.add(str(now))

    def _claimed(self, done: Future[Any], seconds: float) -> None:
        self.claim_seconds.add(seconds)
        if done.cancelled() or done.exception() is not None:
            return
        for claimed in _taken(done.result()):
            task = claimed.task
            if task.attempt == 1 and task.claimed_at is not None:
                since = max(task.created_at, task.not_before or task.created_at)
                self.task_wait_seconds.add((task.claimed_at - since).total_seconds())


def _taken(answer: Claim | Claimed) -> Iterable[Claimed]:
    return answer.workers if isinstance(answer, Claim) else [answer]


@dataclass(frozen=True)
class Load:
    """What waits, and what listens, in one process at one moment."""

    claims: int
    """Claims that wait for a task."""
    writes: int
    """Operations that wait for a writer."""
    listeners: int
    feed_silence: float
    """Seconds since the feed last finished a look at what was committed."""
    batches: Spread
    """How many operations were committed together."""


@dataclass(frozen=True)
class Queue:
    """The tasks that somebody could claim now."""

    tasks: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True)
class Standing:
    """What the database says of the whole installation at one moment. It names nobody."""

    claimable: Mapping[str, Queue]
    """By runner preference."""
    workers: Mapping[str, int]
    launches: Mapping[str, int]
    pools: Mapping[str, int]
    hooks: Mapping[str, int]
    deliveries: Mapping[str, int]
    """Those that are open, and those that were given up within the hour."""
    agents: int
    spent: Decimal
    spent_today: Decimal
    reserved_today: Decimal
    events_behind: int
    """Committed, and not handed on by this broker's feed."""
    seconds_behind: float


def standing(tx: Transaction, position: int) -> Standing:
    """Ask the database, for a feed that has handed on all up to a `seq`."""
    money = tx.first(sql.TODAY, day=budget_day(tx.now))
    spent, pools, hooks = tx.first(sql.SPENT), tx.first(sql.POOLS), tx.first(sql.HOOKS)
    agents, last = tx.first(sql.AGENTS, alive=tx.now - _ALIVE), tx.first(sql_events.LAST_SEQ)
    behind = max(0, (last.value if last else 0) - position)
    oldest = tx.first(sql.NEXT_EVENT, after=position) if behind else None
    assert money
    assert spent
    assert pools
    assert hooks
    assert agents
    return Standing(
        claimable={**dict.fromkeys(RunnerPreference, Queue()), **_queues(tx)},
        workers={**dict.fromkeys(HOLDING, 0), **dict(tx.all(sql.WORKERS))},
        launches={**dict.fromkeys(OPEN_LAUNCH, 0), **dict(tx.all(sql.LAUNCHES))},
        pools=pools._asdict(),
        hooks=hooks._asdict(),
        deliveries=_deliveries(tx),
        agents=agents.number,
        spent=spent.dollars,
        spent_today=money.spent,
        reserved_today=money.reserved,
        events_behind=behind,
        seconds_behind=_age(tx, oldest.at) if oldest else 0.0,
    )


def _queues(tx: Transaction) -> dict[str, Queue]:
    found = tx.all(sql.CLAIMABLE_TASKS, now=tx.now)
    return {row.runner_preference: Queue(row.tasks, _age(tx, row.since)) for row in found}


def _deliveries(tx: Transaction) -> dict[str, int]:
    failed = tx.first(sql.FAILED_DELIVERIES, since=tx.now - _LATELY)
    assert failed
    now = {**dict.fromkeys(OPEN_DELIVERY, 0), **dict(tx.all(sql.DELIVERIES))}
    return {**now, DeliveryStatus.FAILED: failed.number}


def _age(tx: Transaction, moment: datetime) -> float:
    return max(0.0, (tx.now - moment).total_seconds())
