"""Slots of live workers: counted on account and workspace, taken by a claim and given back at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from buildd.broker import ledger
from buildd.broker._context import Context
from buildd.states import LIVE, WorkerStatus
from buildd.store import Row
from buildd.store.sql import workers as sql

FREED = "freed"
"""In the data of `worker:status`: all slots of the workspace were taken until now."""

MONEY = "released"
"""In the same place: money that was set aside may be spent on others from now on."""


def take_slots(ctx: Context, account_id: str, workspaces: Iterable[str]) -> bool:
    """Count a live worker more in each of the workspaces, unless that is over a limit."""
    return ask_for_slots(ctx, account_id, workspaces)()


def ask_for_slots(ctx: Context, account_id: str, workspaces: Iterable[str]) -> Callable[[], bool]:
    """The same, which is known when what comes back is called."""
    wanted = Counter(workspaces)
    asked = [ctx.tx.ask(sql.TAKE_ACCOUNT_SLOTS, of=account_id, slots=wanted.total())]
    for workspace_id, slots in sorted(wanted.items()):
        asked.append(ctx.tx.ask(sql.TAKE_WORKSPACE_SLOTS, of=workspace_id, slots=slots))
    return lambda: len([row for taken in asked for row in taken()]) == len(asked)


def stand_down(ctx: Context, worker: Row, *, done: bool) -> Callable[[], dict[str, bool]]:
    """Give the slot of a worker and its money back; call what comes back for what to tell of that."""
    freed: Callable[[], list[Row]] = list
    if WorkerStatus(worker.status) in LIVE:
        ctx.tx.run(sql.FREE_ACCOUNT_SLOT, of=worker.account_id, done=int(done))
        freed = ctx.tx.ask(sql.FREE_WORKSPACE_SLOT, of=worker.workspace_id)
    ledger.settle(ctx, worker)

    def told() -> dict[str, bool]:
        said = {FREED: any(each.was_full for each in freed()), MONEY: bool(worker.reserved)}
        return {what: True for what, holds in said.items() if holds}

    return told
