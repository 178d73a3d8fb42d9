"""What a dispatcher asks every second: the launches that are over are many, and none of it looks at them."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

from buildd.broker import Broker
from buildd.store import Transaction
from buildd.store.sql import launches as sql
from buildd.store.statement import Statement

_NOW = datetime.fromisoformat("2026-01-31T08:00:00Z")


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        (sql.DUE, {}),
        (sql.UNWANTED, {"launch": None, "over": _NOW}),
        (sql.SHORT, {"pool": None}),
        (sql.HAS_ROOM, {}),
    ],
    ids=["due", "unwanted", "short", "has room"],
)
def test_a_round_looks_at_open_launches_only(
    sqlite_url: str, statement: Statement, asked: dict[str, Any]
) -> None:
    def plan(tx: Transaction) -> list[str]:
        compiled = statement.compiled(tx._database.dialect)
        parameters = compiled.bind({**asked, "now": _NOW})
        return [
            row[3] for row in tx._cursor.execute(f"EXPLAIN QUERY PLAN {compiled.text}", parameters)
        ]

    with closing(Broker.open(sqlite_url)) as broker:
        steps = broker._store.read(plan).result()
    at_launches = [step for step in steps if step.split()[1] in {"launch", "older"}]
    assert at_launches
    for step in at_launches:
        assert "INDEX launch_open" in step or "INDEX launch_of_open_task" in step
