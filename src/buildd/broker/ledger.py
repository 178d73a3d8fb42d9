"""The money of a day: reserved at the claim, spent as it is reported, freed at the end.

Everything is booked for the account and for the workspace alike. A cost counts for the UTC day it is
reported on; what was reserved for it goes back to the day it was reserved on.
"""

from __future__ import annotations

from decimal import Decimal

from buildd.broker._context import Context
from buildd.budget import ZERO, budget_day
from buildd.events import EventType
from buildd.store import Row
from buildd.store.sql import claims as sql
from buildd.store.sql import workers as sql_workers


def room(account: Row) -> Decimal:
    """What an account may still spend or reserve today, in dollars."""
    left: Decimal = account.max_cost_per_day - account.spent_today - account.reserved_today
    return left


def reserve(ctx: Context, owner: str, cap: Decimal | None, amount: Decimal) -> bool:
    """Set an amount aside for today; False if the owner's cap does not allow it."""
    if amount == ZERO:
        return True  # nothing to set aside: that something is left was asked by the claim's predicate
    day = budget_day(ctx.tx.now)
    _spend(ctx, owner, ZERO)
    return bool(ctx.tx.run(sql.RESERVE_ON_DAY, owner=owner, day=day, cap=cap, amount=amount))


def meter(ctx: Context, worker: Row, total: Decimal | None) -> Row:
    """Book what an attempt has cost so far, if that is more than is known; totals may repeat or lag.

    Called for ended attempts too: their results are refused, their bills are not.
    """
    if total is None or total <= worker.cost_usd:
        return worker
    more = total - worker.cost_usd
    covered = min(more, worker.reserved)
    _free(ctx, worker, covered)
    for owner in (worker.account_id, worker.workspace_id):
        _spend(ctx, owner, more)
    ctx.tx.run(sql.BOOK_TOTAL, of=worker.account_id, amount=more)
    booked = ctx.tx.first(
        sql_workers.BOOK_COST,
        of=worker.id,
        cost_usd=total,
        reserved=worker.reserved - covered,
    )
    ctx.emit_worker(EventType.WORKER_COST, worker, costUsd=float(total))
    return booked


def settle(ctx: Context, worker: Row) -> None:
    """Free what an attempt that ends or pauses has reserved and not used."""
    _free(ctx, worker, worker.reserved)


def _spend(ctx: Context, owner: str, amount: Decimal) -> None:
    """Add to today's spending; the day's row is made if it is not there yet."""
    ctx.tx.run(
        sql.SPEND_ON_DAY, owner_id=owner, day=budget_day(ctx.tx.now), spent=amount, reserved=ZERO
    )


def _free(ctx: Context, worker: Row, amount: Decimal) -> None:
    if amount == ZERO:
        return
    for owner in (worker.account_id, worker.workspace_id):
        ctx.tx.run(sql.FREE_ON_DAY, owner=owner, day=worker.reserved_day, amount=amount)
