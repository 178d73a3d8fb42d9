"""What the ledger adds up to."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.store.sql._parts import matches, seen, total
from buildd.store.statement import Statement
from buildd.store.tables import ledger

_KEYS: dict[str, sa.ColumnElement[Any]] = {
    "day": ledger.c.day,
    "account": ledger.c.account_id,
    "workspace": ledger.c.workspace_id,
    "task": ledger.c.task_id,
}
_SINCE, _UNTIL = (bindparam(name, type_=sa.Date()) for name in ("since", "until"))
_COST = total(ledger.c.spent).label("cost_usd")


@cache
def spending(by: frozenset[str]) -> Statement:
    """The costs of `:since` to `:until`, by these keys: the newest day first, then the dearest."""
    keys = [column for name, column in _KEYS.items() if name in by]
    order = [*(ledger.c.day.desc() for _ in by & {"day"}), _COST.desc(), *keys]
    return Statement(
        sa.select(*keys, _COST, sa.func.count(ledger.c.worker_id.distinct()).label("attempts"))
        .where(
            ledger.c.day.between(_SINCE, _UNTIL),
            # What was set aside, and what was not needed of it, cost nothing.
            ledger.c.spent > sa.literal_column("0"),
            seen(ledger.c.workspace_id),
            matches(ledger.c.workspace_id, "workspace"),
            matches(ledger.c.account_id, "account"),
            matches(ledger.c.task_id, "task"),
        )
        .group_by(*keys)
        .order_by(*order)
        .limit(bindparam("limit", type_=sa.Integer()))
    )
