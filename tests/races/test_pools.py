"""A pool is not removed while another server writes a launch of it down."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg
import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker
from buildd.broker.launches import request_launch
from buildd.errors import WrongState
from buildd.store import Transaction
from buildd.store.sql.pools import LOCK_POOL

WAITS = (
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def test_a_pool_that_is_about_to_launch_something_is_not_removed(postgres_url: str) -> None:
    launching, goes_on = threading.Event(), threading.Event()

    def launch(tx: Transaction) -> None:
        row = tx.first(LOCK_POOL, id=pool.id)
        assert row is not None
        request_launch(one._context(tx, ADMIN), row, None)
        launching.set()
        goes_on.wait()

    with (
        closing(Broker.open(postgres_url)) as one,
        closing(Broker.open(postgres_url)) as other,
        psycopg.connect(postgres_url, autocommit=True) as observer,
    ):
        account = one.execute(ops.CreateAccount(type="service", name="a"), ADMIN)
        new = ops.CreatePool(name="p", account_id=account.id, runner="local")
        pool = one.execute(new, ADMIN)
        launched = one._store.write(launch)
        launching.wait()
        removed = other.submit(ops.DeletePool(id=pool.id), ADMIN)
        while not removed.done() and observer.execute(WAITS).fetchone() is None:
            pass
        goes_on.set()
        launched.result()
        with pytest.raises(WrongState, match="1 open launches"):
            removed.result()
