"""Whatever can end an attempt, in every order of two sessions: one of them wins, and nothing changes after.

The first session is stopped before each of its statements in turn; the second then runs until it is
done, or until it waits for a lock of the first (Postgres is asked, no clock is).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple

import psycopg
import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Principal
from buildd.broker.reaper import _lose
from buildd.errors import LeaseLost, NotClaimable, WrongState
from buildd.models import Claimed
from buildd.states import CLOSED, TaskStatus, WorkerStatus
from buildd.store import audit
from buildd.testing import FrozenClock
from tests.races import history
from tests.races.conftest import Field, at_once
from tests.races.gated import Gate, GatedPostgres

LONG = "BUILDD_LONG" in os.environ
"""Every statement, and not every third."""


class Attempt(NamedTuple):
    """A running attempt, and who may do what to it."""

    claimed: Claimed
    lease: Principal
    racer: Principal


Deed = Callable[[Broker, Attempt], Future[Any]]

DEEDS: dict[str, Deed] = {
    "complete": lambda by, a: by.submit(ops.CompleteWorker(id=a.claimed.id), a.lease),
    "fail": lambda by, a: by.submit(ops.FailWorker(id=a.claimed.id, error="no"), a.lease),
    "beat": lambda by, a: by.submit(ops.Heartbeat(id=a.claimed.id, cost_usd=1), a.lease),
    "drain": lambda by, a: by.submit(
        ops.ReleaseTask(id=a.claimed.task_id, reason="drain"), a.lease
    ),
    "pause": lambda by, a: by.submit(ops.PauseWorker(id=a.claimed.id), a.lease),
    "cancel": lambda by, a: by.submit(ops.CancelTask(id=a.claimed.task_id), ADMIN),
    "stop": lambda by, a: by.submit(ops.CancelWorker(id=a.claimed.id), ADMIN),
    "claim": lambda by, a: by.submit(ops.ClaimTasks(task_id=a.claimed.task_id), a.racer),
    "expire": lambda by, a: by._store.write(
        by.reaper._in_context(partial(_lose, worker_id=a.claimed.id))
    ),
}
ENDINGS = {"complete", "fail", "drain", "stop", "expire"}
STRIDE, FIRST = (1, 0) if LONG else (3, 1)
REFUSALS = (WrongState, LeaseLost, NotClaimable)


def begin(field: Field, racer: Principal) -> Attempt:
    [task] = field.tasks(1, max_cost=2)
    field.tasks(1, depends_on=[task.id], runner_preference="action")
    return Attempt(*field.holding(racer, task_id=task.id), racer)


def check(field: Field, attempt: Attempt, outcomes: list[tuple[str, Any]]) -> None:
    """What was answered is what is so, and a report that came twice counted once."""
    worker = field.admin(ops.GetWorker(id=attempt.claimed.id))
    task = field.admin(ops.GetTask(id=attempt.claimed.task_id))
    for _, answer in outcomes:
        assert not isinstance(answer, Exception) or isinstance(answer, REFUSALS), outcomes
    won = {deed for deed, answer in outcomes if answer and not isinstance(answer, Exception)}
    assert (worker.status is WorkerStatus.COMPLETED) == ("complete" in won), outcomes
    assert (task.status is TaskStatus.COMPLETED) == ("complete" in won), outcomes
    assert (task.status is TaskStatus.CANCELLED) == ("cancel" in won), outcomes
    assert len(won & ENDINGS) <= 1, outcomes
    if task.status not in CLOSED:
        field.admin(ops.CancelTask(id=task.id))


class Sessions(NamedTuple):
    """Two brokers on one Postgres, of which the first can be stopped at any statement."""

    field: Field
    first: Broker
    gate: Gate
    observer: psycopg.Connection
    second_backend: int
    clock: FrozenClock


@pytest.fixture
def sessions(postgres_url: str) -> Iterator[Sessions]:
    clock = FrozenClock()
    settings = BrokerSettings(clock=clock)
    databases = [GatedPostgres(postgres_url), GatedPostgres(postgres_url)]
    first, second = (Broker(database, settings) for database in databases)
    for broker in (first, second):
        broker.reaper.close()
        broker.housekeeper.close()
    gate = databases[0].gate
    with psycopg.connect(postgres_url, autocommit=True) as observer:
        yield Sessions(Field(second), first, gate, observer, databases[1].backend, clock)
        gate.let_go()
        first.close()
        second.close()
    assert audit(postgres_url) == []


@pytest.mark.parametrize("one", DEEDS)
def test_every_order_of_two_endings(sessions: Sessions, one: str) -> None:
    racer = sessions.field.racer(slots=500, max_cost_per_day=5000)
    for two in DEEDS:
        statement, stopped = FIRST, True
        while stopped:
            attempt = begin(sessions.field, racer)
            sessions.clock.advance(61)  # the lease has run out, and nobody took it away yet
            stopped = _race(sessions, attempt, (one, two), statement)
            statement += STRIDE
        assert statement > 4
    history.read(sessions.field.broker)


def _race(sessions: Sessions, attempt: Attempt, pair: tuple[str, str], statement: int) -> bool:
    """Stop the first before a statement, run the second; False if the first has no such statement."""
    one, two = pair
    gate = sessions.gate
    gate.stop_at(statement)
    a = DEEDS[one](sessions.first, attempt)
    a.add_done_callback(lambda _: gate.arrived.set())
    gate.arrived.wait()
    stopped = not a.done()
    b = DEEDS[two](sessions.field.broker, attempt)
    _until_done_or_blocked(b, sessions)
    gate.let_go()
    check(sessions.field, attempt, [(one, outcome(a)), (two, outcome(b))])
    return stopped


def outcome(done: Future[Any]) -> Any:
    return done.exception() or done.result()


def _until_done_or_blocked(b: Future[Any], sessions: Sessions) -> None:
    """Postgres says whether a session waits for a lock."""
    query = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    while not b.done():
        row = sessions.observer.execute(query, [sessions.second_backend]).fetchone()
        if row is not None and row[0]:
            return


def test_many_endings_at_once(field: Field) -> None:
    racer = field.racer(slots=50, max_cost_per_day=500)
    names = list(DEEDS)
    for _ in range(12):
        attempt = begin(field, racer)

        def end(n: int, attempt: Attempt = attempt) -> tuple[str, Any]:
            deed = names[n % len(names)]
            return deed, outcome(DEEDS[deed](field.broker, attempt))

        check(field, attempt, at_once(16, end))
    history.read(field.broker, field.limits)
