"""The plan: which agents there should be, asked with the claim's own predicate, and written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Any

from buildd.broker._context import Context, model
from buildd.broker.dispatch.acts import Prefer
from buildd.broker.dispatch.pace import Pace
from buildd.broker.launches import move_launch, request_launch
from buildd.broker.why import AGENT_LIVES
from buildd.budget import budget_day
from buildd.models import Pool, Task
from buildd.states import LaunchVerb
from buildd.store import Row, Transaction
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import launches as sql
from buildd.store.sql import pools as sql_pools
from buildd.store.sql import tasks as sql_tasks


@dataclass(frozen=True)
class Wish:
    """A launch that there should be: for a task, or an idle agent."""

    pool_id: str
    account_id: str
    task_id: str | None = None


@dataclass(frozen=True)
class Choice:
    """Pools of which one is to launch something, the first by default."""

    wishes: list[Wish]
    task: Task | None = None
    pools: list[Pool] = field(default_factory=list)
    """What a plugin that prefers one must see."""


def choices(tx: Transaction, pace: Pace, *, named: bool) -> list[Choice]:
    """What is missing. Each task is in it once; `named` if somebody is to choose for it."""
    found: list[Choice] = []
    if tx.first(sql.HAS_ROOM, now=tx.now) is None:
        return found
    for task_id, rows in groupby(tx.all(sql.PLAN, **_asked(tx, pace)), key=lambda row: row.id):
        wishes = [Wish(row.pool_id, row.account_id, task_id) for row in rows]
        several = named and len(wishes) > 1
        found.append(_to_choose(tx, task_id, wishes) if several else Choice(wishes))
    short = tx.all(sql.SHORT, pool=None, now=tx.now)
    return found + [Choice([Wish(row.id, row.account_id)]) for row in short]


def choose(choice: Choice, prefer: Prefer | None) -> Wish:
    """The pool that a plugin prefers, else the one that was made first."""
    name = prefer(choice.task, choice.pools) if prefer and choice.task else None
    preferred = [pool.id for pool in choice.pools if pool.name == name]
    return next((wish for wish in choice.wishes if wish.pool_id in preferred), choice.wishes[0])


def fulfil(ctx: Context, wish: Wish, pace: Pace) -> str | None:
    """Write one launch down, if it is still wanted; tell operators of it.

    Both rows stay locked, so that no two servers fill the same room.
    """
    tx = ctx.tx
    tx.first(sql_accounts.LOCK_ACCOUNT, id=wish.account_id, day=budget_day(tx.now))
    pool = tx.first(sql_pools.LOCK_POOL, id=wish.pool_id)
    if wish.task_id is None:
        task, wanted = None, tx.first(sql.SHORT, pool=wish.pool_id, now=tx.now)
    else:
        asked = {**_asked(tx, pace), "pool": wish.pool_id, "task": wish.task_id}
        task = wanted = tx.first(sql.PLAN, **asked)
    if pool is None or wanted is None:
        return None
    launch = request_launch(ctx, pool, task)
    return f"launch {launch.id} of pool {pool.name!r}: wanted for {wish.task_id or 'readiness'}"


def unwanted(tx: Transaction, pace: Pace) -> list[Row]:
    """The launches that should not go on."""
    return tx.all(sql.UNWANTED, launch=None, **_since(tx, pace))


def call_off(ctx: Context, launch_id: str, pace: Pace) -> str | None:
    """Have one stopped, if it still should be; tell operators why."""
    launch = ctx.tx.first(sql_pools.LOCK_LAUNCH, id=launch_id)
    row = ctx.tx.first(sql.UNWANTED, launch=launch_id, **_since(ctx.tx, pace))
    if row is None:
        return None
    move_launch(ctx, launch, LaunchVerb.STOP, reason=row.reason)
    return f"launch {launch_id}: to be stopped, because {row.reason}"


def _asked(tx: Transaction, pace: Pace) -> dict[str, Any]:
    return {
        "pool": None,
        "task": None,
        "capabilities": [],
        "now": tx.now,
        "day": budget_day(tx.now),
        "alive": tx.now - AGENT_LIVES,
        "fresh": tx.now - timedelta(seconds=pace.untaken),
    }


def _since(tx: Transaction, pace: Pace) -> dict[str, Any]:
    return {"now": tx.now, "over": tx.now - timedelta(seconds=pace.over)}


def _to_choose(tx: Transaction, task_id: str, wishes: list[Wish]) -> Choice:
    task = tx.first(sql_tasks.TASK_SEEN, id=task_id, viewer=None)
    rows = [tx.first(sql_pools.POOL, id=wish.pool_id) for wish in wishes]
    pools = [model(Pool, row) for row in rows if row is not None]
    return Choice(wishes, None if task is None else model(Task, task), pools)
