"""The money: reserved at the claim, spent as it is reported, freed at the end.

Every movement is written down once, for ever (`ledger`), and booked on the day's counters of the
account and of the workspace alike. A cost counts for the UTC day it is reported on; what was
reserved for it goes back to the day it was reserved on. `buildd db audit` compares the two.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum

from buildd.broker._context import Context
from buildd.budget import ZERO, budget_day
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.store import Row
from buildd.store.sql import claims as sql
from buildd.store.sql import workers as sql_workers


class Movement(StrEnum):
    """What a row of the ledger records."""

    RESERVE = "reserve"
    """Set aside when an attempt began."""
    METER = "meter"
    """Reported as spent, out of what was reserved."""
    TOP_UP = "top_up"
    """Reported as spent beyond what was reserved."""
    RELEASE = "release"
    """Reserved and not used, freed when the attempt ended."""


def reserve(ctx: Context, worker: Row, caps: tuple[Decimal | None, Decimal | None]) -> bool:
    """Set aside what an attempt may cost; False if the account's or the workspace's cap forbids it."""
    if worker.reserved == ZERO:
        return (
            True  # nothing to set aside: that something is left was asked by the claim's predicate
        )
    day, amount, asked = budget_day(ctx.tx.now), worker.reserved, []
    for owner, cap in zip((worker.account_id, worker.workspace_id), caps, strict=True):
        _spend(ctx, owner, ZERO)
        asked.append(ctx.tx.ask(sql.RESERVE_ON_DAY, owner=owner, day=day, cap=cap, amount=amount))
    _write(ctx, worker, Movement.RESERVE, day, reserved=amount)
    answers = [reserved() for reserved in asked]
    return all(answers)


def meter(ctx: Context, worker: Row, total: Decimal | None) -> Row:
    """Book what an attempt has cost so far, if that is more than is known; totals may repeat or lag.

    Takes a row of `LOCK_BEATING`, and returns it as it is then. Called for ended attempts too: their
    results are refused, their bills are not.
    """
    if total is None or total <= worker.cost_usd:
        return worker
    more = total - worker.cost_usd
    covered = min(more, worker.reserved)
    today = budget_day(ctx.tx.now)
    # Task and account before the money, as a claim takes them: otherwise the two wait for each other.
    ctx.tx.run(sql.BOOK_ON_TASK, of=worker.task_id, amount=more)
    ctx.tx.run(sql.BOOK_TOTAL, of=worker.account_id, amount=more)
    if covered:
        _free(ctx, worker, covered)
        _write(ctx, worker, Movement.METER, worker.reserved_day, reserved=-covered)
    for owner in (worker.account_id, worker.workspace_id):
        _spend(ctx, owner, more)
    kind = Movement.METER if more == covered else Movement.TOP_UP
    _write(ctx, worker, kind, today, spent=more)
    ctx.emit_worker(EventType.WORKER_COST, worker, costUsd=float(total))
    booked = {"cost_usd": total, "reserved": worker.reserved - covered}
    ctx.tx.run(sql_workers.BOOK_COST, of=worker.id, **booked)
    return worker._replace(**booked, task_cost=worker.task_cost + more)


def settle(ctx: Context, worker: Row) -> None:
    """Free what an attempt that ends or pauses has reserved and not used."""
    if worker.reserved:
        _free(ctx, worker, worker.reserved)
        _write(ctx, worker, Movement.RELEASE, worker.reserved_day, reserved=-worker.reserved)


def _spend(ctx: Context, owner: str, amount: Decimal) -> None:
    """Add to today's spending; the day's row is made if it is not there yet."""
    ctx.tx.run(
        sql.SPEND_ON_DAY, owner_id=owner, day=budget_day(ctx.tx.now), spent=amount, reserved=ZERO
    )


def _free(ctx: Context, worker: Row, amount: Decimal) -> None:
    for owner in (worker.account_id, worker.workspace_id):
        ctx.tx.run(sql.FREE_ON_DAY, owner=owner, day=worker.reserved_day, amount=amount)


def _write(  # noqa: PLR0913 - the columns of one row
    ctx: Context,
    worker: Row,
    kind: Movement,
    day: date,
    *,
    spent: Decimal = ZERO,
    reserved: Decimal = ZERO,
) -> None:
    ctx.tx.run(
        sql.INSERT_LEDGER,
        id=new_id(Kind.LEDGER),
        at=ctx.tx.now,
        day=day,
        kind=kind.value,
        account_id=worker.account_id,
        workspace_id=worker.workspace_id,
        task_id=worker.task_id,
        worker_id=worker.id,
        spent=spent,
        reserved=reserved,
    )
