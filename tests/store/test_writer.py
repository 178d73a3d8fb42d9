"""Group commit: one bad operation harms no other, and nothing is answered before it is durable."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
import sqlalchemy as sa

from buildd.errors import AlreadyExists, BuilddError, InternalError, NotFound, Unavailable
from buildd.store import Refused, Statement, Store, Transaction, database_of, dialects
from buildd.store.sql.accounts import SETTING
from buildd.store.tables import setting
from tests.patience import until

INSERT_SETTING = Statement(sa.insert(setting))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_of(database_url), None)
    yield store
    store.close()


def put(name: str, value: object = "v") -> Callable[[Transaction], str]:
    def work(tx: Transaction) -> str:
        tx.run(INSERT_SETTING, name=name, value=value)
        return name

    return work


def get(store: Store, name: str) -> str | None:
    row = store.read(lambda tx: tx.first(SETTING, name=name)).result()
    return None if row is None else str(row.value)


def blocked(store: Store) -> threading.Event:
    """Keep every writer busy until the event is set, so that what follows forms one batch."""
    gate = threading.Event()
    for _ in range(store.database.writers):
        store.write(lambda _: gate.wait())
    return gate


def test_a_batch_keeps_the_good_and_fails_the_bad(store: Store) -> None:
    gate = blocked(store)
    good = store.write(put("a"))
    twice = store.write(put("a"))

    def broken(tx: Transaction) -> None:
        tx.run(INSERT_SETTING, name="half", value="x")
        raise NotFound

    def wrong(_: Transaction) -> None:
        raise KeyError

    refused = store.write(broken)
    buggy = store.write(wrong)
    last = store.write(put("z"))
    gate.set()
    assert (good.result(), last.result()) == ("a", "z")
    with pytest.raises(AlreadyExists):
        twice.result()
    with pytest.raises(NotFound):
        refused.result()
    with pytest.raises(InternalError):
        buggy.result()
    assert (get(store, "a"), get(store, "half"), get(store, "z")) == ("v", None, "v")


def test_what_refused_work_wrote_stays(store: Store) -> None:
    def work(tx: Transaction) -> Refused:
        tx.run(INSERT_SETTING, name="bill", value="5")
        return Refused(NotFound("not yours"))

    with pytest.raises(NotFound, match="not yours"):
        store.write(work).result()
    assert get(store, "bill") == "5"


def test_a_savepoint_within_an_operation_takes_back_its_own_part_only(store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.run(INSERT_SETTING, name="outer", value="x")
        with pytest.raises(RuntimeError), tx.savepoint():
            tx.run(INSERT_SETTING, name="inner", value="x")
            raise RuntimeError

    store.write(work).result()
    assert (get(store, "outer"), get(store, "inner")) == ("x", None)


def test_cancelled_before_it_ran_is_never_run(store: Store) -> None:
    gate = blocked(store)
    future = store.write(put("never"))
    assert future.cancel()
    gate.set()
    store.write(put("after")).result()
    assert get(store, "never") is None


def test_a_closed_store_finishes_what_it_took_and_takes_no_more(store: Store) -> None:
    futures = [store.write(put(f"n{i}")) for i in range(100)]
    store.close()
    assert [f.result() for f in futures] == [f"n{i}" for i in range(100)]
    with pytest.raises(Unavailable):
        store.write(put("late"))
    with pytest.raises(Unavailable):
        store.read(lambda tx: None)


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(BuilddError):
        store.read(lambda tx: tx.run(INSERT_SETTING, name="x", value="y")).result()


def test_a_fault_while_reading_is_told_like_one_while_writing(store: Store) -> None:
    def wrong(_: Transaction) -> None:
        raise KeyError

    with pytest.raises(InternalError):
        store.read(wrong).result()


def test_a_full_disk_is_told_as_one(sqlite_url: str) -> None:
    store = Store(database_of(sqlite_url), None)
    pages = Statement(sa.text("PRAGMA page_count").columns(sa.column("pages", sa.Integer)))
    full = store.read(lambda tx: tx.all(pages)).result()[0].pages + 2

    def work(tx: Transaction) -> None:
        tx.all(Statement(sa.text(f"PRAGMA max_page_count = {full}").columns(sa.column("most"))))
        put("big", "x" * 1_000_000)(tx)

    with pytest.raises(Unavailable, match="the disk is full"):
        store.write(work).result()
    assert store.write(put("small")).result() == "small"
    store.close()


def test_what_the_driver_cannot_send_is_a_fault_and_no_lost_connection(store: Store) -> None:
    with pytest.raises(InternalError):
        store.write(put("nul", object())).result()


def test_a_lost_connection_is_replaced(postgres_url: str) -> None:
    store = Store(database_of(postgres_url), None)
    kill = Statement(
        sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        ).columns(sa.column("gone", sa.Boolean))
    )
    store.write(put("before")).result()
    get(store, "before")
    store.write(lambda tx: len(tx.all(kill))).result()
    assert store.write(put("after")).result() == "after"
    assert get(store, "after") == "v"
    for _ in range(8):
        get(store, "after")
    assert not any(getattr(each, "broken", False) for each in store._opened)
    store.close()


@pytest.fixture
def two(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Store, Store]]:
    """Two servers' stores on one database, who do not wait long for one that is frozen."""
    monkeypatch.setattr(dialects, "_FROZEN_SECONDS", 1)
    one, other = (Store(database_of(postgres_url), None) for _ in range(2))
    yield one, other
    one.close()
    other.close()


def test_writers_take_turns(two: tuple[Store, Store]) -> None:
    """Else two that write the same rows in another order wait for each other in a circle."""
    one, other = two
    waiting = Statement(
        sa.text("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory'").columns(
            sa.column("one", sa.Integer)
        )
    )

    def first(tx: Transaction) -> None:
        put("a")(tx)
        later.append(other.write(lambda tx: [put("b")(tx), put("a", "again")(tx)]))
        until(lambda: one.read(lambda tx: tx.all(waiting)).result())
        put("b")(tx)

    later: list[Future[list[str]]] = []
    one.write(first).result()
    with pytest.raises(AlreadyExists):
        later[0].result()


def test_a_frozen_writer_holds_nobody_up_for_long(two: tuple[Store, Store]) -> None:
    frozen, healthy = two
    begun, thawed = threading.Event(), threading.Event()

    def freeze(tx: Transaction) -> None:
        put("from the frozen one")(tx)
        begun.set()
        thawed.wait()
        put("as it goes on")(tx)

    slow = frozen.write(freeze)
    begun.wait()
    assert healthy.write(put("from another")).result() == "from another"
    thawed.set()
    slow.result()
    assert get(healthy, "from the frozen one") == "v"


def test_what_was_answered_survives_kill_nine(database_url: str) -> None:
    script = """
import sys
from buildd.store import Store, database_of
from buildd.store.sql.accounts import PUT_SETTING_ONCE
store = Store(database_of(sys.argv[1]), None)
for i in range(100000):
    store.write(lambda tx: tx.run(PUT_SETTING_ONCE, name=f"k{i}", value="v")).result()
    print(i, flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script, database_url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    assert child.stdout is not None
    answered = [child.stdout.readline() for _ in range(200)]
    child.kill()
    answered += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    last = int([line for line in answered if line.endswith("\n")][-1])
    store = Store(database_of(database_url), None)
    kept = store.read(
        lambda tx: tx.all(Statement(sa.select(setting.c.name).where(setting.c.name.like("k%"))))
    ).result()
    store.close()
    assert {row.name for row in kept} >= {f"k{i}" for i in range(last + 1)}
