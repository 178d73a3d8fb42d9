"""The reaper: what an agent that died, slept or lied left behind goes back to everybody.

It runs in every open broker, safe in parallel: each thing is looked at again, locked, before it is
touched. After an outage of the brokers themselves live leases are extended once, because their
agents could not renew them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial

from buildd.broker import attempts, fence
from buildd.broker._context import Context
from buildd.broker.attempts import Comeback, Ending
from buildd.broker.github_source import RECEIPTS_KEPT
from buildd.broker.idempotency import KEPT
from buildd.broker.principals import ADMIN
from buildd.broker.schedules import fire
from buildd.broker.workers import pause_now
from buildd.budget import budget_day
from buildd.errors import BuilddError
from buildd.lease import LeaseTimes
from buildd.retention import Retention
from buildd.states import LIVE, ErrorCode, WorkerStatus, WorkerVerb
from buildd.store import Store, Transaction
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import deliveries as sql_deliveries
from buildd.store.sql import events as sql_events
from buildd.store.sql import github as sql_github
from buildd.store.sql import idempotency as sql_idempotency
from buildd.store.sql import pools as sql_pools
from buildd.store.sql import schedules as sql_schedules
from buildd.store.sql import sessions as sql_sessions
from buildd.store.sql import tasks as sql_tasks
from buildd.store.sql import workers as sql

Act = Callable[[Context], bool]

_LAST_PASS = "reaped_at"  # noqa: S105 - the name of a setting
_AGENTS_KEPT = timedelta(days=7)
_TOKENS_KEPT = timedelta(days=1)
_ROUNDS = 20
"""Transactions of pruning in one pass at most, so that leases are looked at in time."""

log = logging.getLogger("buildd.reaper")


class Reaper:
    """A thread that passes over the database every few seconds."""

    def __init__(
        self,
        store: Store,
        times: LeaseTimes,
        pepper: bytes,
        keep: Retention,
        came_due: Callable[[], None],
    ) -> None:
        self._store = store
        self._keep = keep
        self._times = times
        self._pepper = pepper
        self._came_due = came_due
        self._looked = store.read(lambda tx: tx.now).result()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="buildd-reaper", daemon=True)

    def start(self) -> None:
        """Begin with a first pass at once."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the present pass."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self.sweep()
            except BuilddError as error:
                log.warning("the reaper could not pass: %s", error)
            if self._stop.wait(self._times.reap):
                return

    def sweep(self) -> int:
        """Make one pass now; tell how many attempts it ended or paused."""
        came_due, self._looked = self._store.write(self._note_pass).result()
        if came_due:
            self._came_due()
        ended = 0
        for _ in range(_ROUNDS):
            found = self._store.read(self._look).result()
            done = [self._store.write(self._in_context(act)) for act in found]
            ended += sum(map(_settled, done))
            if len(found) < sql.AT_ONCE:
                break
        for _ in range(_ROUNDS):
            if not self._store.write(self._prune).result():
                break
        return ended

    def _note_pass(self, tx: Transaction) -> tuple[bool, datetime]:
        """Record the pass, extend leases after an outage; tell whether time made work claimable."""
        row = tx.first(sql_accounts.SETTING, name=_LAST_PASS)
        if row is None:
            tx.run(sql_accounts.PUT_SETTING_ONCE, name=_LAST_PASS, value=tx.now.isoformat())
        else:
            self._follow(tx, row.value)
        return self._is_due(tx), tx.now

    def _follow(self, tx: Transaction, stamp: str) -> None:
        last = datetime.fromisoformat(stamp)
        outage = tx.now - last > timedelta(seconds=self._times.heartbeat)
        won = tx.first(
            sql_accounts.CHANGE_SETTING, of=_LAST_PASS, was=stamp, value=tx.now.isoformat()
        )
        if outage and won is not None:
            extended = tx.touch(sql.EXTEND_ALL, until=tx.now + self._times.ttl_delta)
            log.info("no broker looked after the leases since %s: extended %d", last, extended)

    def _is_due(self, tx: Transaction) -> bool:
        """Whether a `notBefore` or a budget's day has passed since this broker looked.

        Since its own last pass, not the recorded one: that may be another server's, which wakes
        only the claims that wait there.
        """
        if budget_day(self._looked) != budget_day(tx.now):
            return True
        return tx.first(sql_tasks.TASKS_DUE, since=self._looked, now=tx.now) is not None

    def _look(self, tx: Transaction) -> list[Act]:
        """What seems to be due; each act looks again, locked, before it touches anything."""
        acts: list[Act] = []
        acts += [partial(_lose, worker_id=row.id) for row in tx.all(sql.EXPIRED, now=tx.now)]
        acts += [partial(_time_out, worker_id=row.id) for row in tx.all(sql.OVERDUE, now=tx.now)]
        unconfirmed = tx.all(sql.UNCONFIRMED_PAUSES, before=tx.now - self._times.ttl_delta)
        acts += [partial(_pause, worker_id=row.id) for row in unconfirmed]
        acts += [partial(fire, schedule_id=row.id) for row in tx.all(sql_schedules.DUE, now=tx.now)]
        return acts

    def _in_context(self, act: Act) -> Callable[[Transaction], bool]:
        return lambda tx: act(Context(tx, ADMIN, self._times, self._pepper))

    def _prune(self, tx: Transaction) -> bool:
        """Forget a little of what is older than it must be kept; tell whether there may be more.

        A little at a time, so that no claim waits for it.
        """
        tx.run(sql_idempotency.FORGET_ALL_OLD, before=tx.now - KEPT)
        tx.run(sql_accounts.FORGET_AGENTS, before=tx.now - _AGENTS_KEPT)
        tx.run(sql_pools.FORGET_TOKENS, before=tx.now - _TOKENS_KEPT)
        tx.run(sql_github.FORGET_RECEIPTS, before=tx.now - RECEIPTS_KEPT)
        tx.run(sql_sessions.FORGET_TICKETS, now=tx.now)
        tx.run(sql_sessions.FORGET_SESSIONS, now=tx.now)
        events = deliveries = tasks = launches = 0
        if self._keep.events is not None:
            events = tx.touch(sql_events.PRUNE_EVENTS, before=tx.now - self._keep.events)
            deliveries = tx.touch(
                sql_deliveries.PRUNE_DELIVERIES, before=tx.now - self._keep.events
            )
        if self._keep.tasks is not None:
            tasks = tx.touch(sql_tasks.PRUNE_TASKS, before=tx.now - self._keep.tasks)
            launches = tx.touch(sql_pools.PRUNE_LAUNCHES, before=tx.now - self._keep.tasks)
        return (
            events == sql_events.PRUNE_AT_ONCE
            or deliveries == sql_deliveries.PRUNE_AT_ONCE
            or tasks == sql_tasks.PRUNE_AT_ONCE
            or launches == sql_pools.PRUNE_AT_ONCE
        )


def _settled(act: Future[bool]) -> bool:
    """Whether an act did something; the trouble of one is no reason to leave the others."""
    try:
        return act.result()
    except BuilddError as error:
        log.warning("the reaper leaves one thing for its next pass: %s", error)
        return False


def _lose(ctx: Context, worker_id: str) -> bool:
    worker = fence.lock_worker(ctx, worker_id)
    if WorkerStatus(worker.status) not in LIVE or worker.lease_expires_at >= ctx.tx.now:
        return False
    code = ErrorCode.LEASE_LOST.value
    ending = Ending(WorkerVerb.LOSE, "its agent stopped renewing the lease", code)
    attempts.end(ctx, worker, ending, Comeback())
    return True


def _time_out(ctx: Context, worker_id: str) -> bool:
    worker = fence.lock_worker(ctx, worker_id)
    over = worker.deadline is not None and worker.deadline < ctx.tx.now
    works = LIVE - {WorkerStatus.WAITING_INPUT}
    if not over or WorkerStatus(worker.status) not in works:
        return False
    ending = Ending(WorkerVerb.FAIL, "not done within its time", ErrorCode.TIMEOUT.value)
    attempts.end(ctx, worker, ending, Comeback(wait=True))
    return True


def _pause(ctx: Context, worker_id: str) -> bool:
    worker = fence.lock_worker(ctx, worker_id)
    asked = worker.pause_requested_at
    if asked is None or asked >= ctx.tx.now - ctx.times.ttl_delta:
        return False
    if WorkerStatus(worker.status) not in LIVE:
        return False
    pause_now(ctx, worker)
    return True
