"""Which of several claimable tasks may be taken together: each fits its limits alone, but takes from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from buildd.budget import ZERO
from buildd.store import Row


def fitting(tasks: Iterable[Row]) -> list[Row]:
    """The first ones that fit together. What does not, may fit again when these are taken and counted."""
    chosen: list[Row] = []
    slots: Counter[str] = Counter()
    money: dict[str, Decimal] = {}
    for task in tasks:
        home, more = task.workspace_id, task.estimate
        ours = task.account_used + sum(money.values(), ZERO)
        theirs = task.workspace_used + money.get(home, ZERO)
        if (
            _has_slot(task.account_live + slots.total(), task.account_slots)
            and _has_slot(task.workspace_live + slots[home], task.workspace_slots)
            and _affords(ours, more, task.account_cap)
            and _affords(theirs, more, task.workspace_cap)
        ):
            chosen.append(task)
            slots[home] += 1
            money[home] = money.get(home, ZERO) + more
    return chosen


def _has_slot(taken: int, slots: int | None) -> bool:
    return slots is None or taken < slots


def _affords(used: Decimal, more: Decimal, cap: Decimal | None) -> bool:
    """As the predicate of a claim has it."""
    return cap is None or (used < cap and used + more <= cap)
