"""Guards that no other test would miss: each was found by taking it away (see tests/mutants)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal

import psycopg
import pytest

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings, Principal
from buildd.errors import LeaseLost, NotClaimable, NotFound, Unavailable, WrongState
from buildd.events import Filter
from buildd.models import Claimed
from buildd.states import TaskStatus, WorkerStatus
from buildd.store import database_of
from buildd.store.sql.events import LAST_SEQ
from buildd.testing import FrozenClock
from tests.broker.conftest import House
from tests.faults.seam import Step, faulty
from tests.patience import PATIENCE


def paused(house: House, account: Principal, **task: object) -> tuple[Claimed, Principal]:
    house.task(**task)
    claimed, lease = house.running(account)
    house.broker.execute(ops.PauseWorker(id=claimed.id), lease)
    return claimed, lease


def test_an_older_epoch_of_the_same_worker_is_refused(house: House) -> None:
    laptop = house.account()
    claimed, old = paused(house, laptop)
    house.admin(ops.StartWorker(id=claimed.id))
    again, new = house.take(laptop, task_id=claimed.task_id)
    assert (again.id, again.lease.epoch) == (claimed.id, claimed.lease.epoch + 1)
    with pytest.raises(LeaseLost):
        house.broker.execute(ops.CompleteWorker(id=claimed.id), old)
    house.broker.execute(ops.CompleteWorker(id=claimed.id), new)


def test_another_result_of_an_ended_attempt_is_refused(house: House) -> None:
    task = house.task()
    claimed, lease = house.running(house.account())
    first = ops.CompleteWorker(id=claimed.id, result={"n": 1})
    done = house.broker.execute(first, lease)
    assert house.broker.execute(first, lease) == done
    for other in (
        ops.CompleteWorker(id=claimed.id, result={"n": 2}),
        ops.FailWorker(id=claimed.id, error="no"),
    ):
        with pytest.raises(LeaseLost):
            house.broker.execute(other, lease)
    assert house.see(task).result == {"n": 1}


def test_a_result_that_comes_again_when_its_task_is_gone_is_not_found(house: House) -> None:
    task = house.task()
    claimed, lease = house.running(house.account())
    report = ops.CompleteWorker(id=claimed.id)
    house.broker.execute(report, lease)
    house.admin(ops.DeleteTask(id=task.id))
    with pytest.raises(NotFound):
        house.broker.execute(report, lease)


@pytest.mark.parametrize("owner", ["account", "workspace"])
def test_resuming_passes_no_limit_of_slots(house: House, owner: str) -> None:
    limit = {"max_concurrent_workers": 1}
    if owner == "workspace":
        house.admin(ops.UpdateWorkspace(id=house.workspace.id, **limit))
    laptop = house.account(**(limit if owner == "account" else {}))
    claimed, _ = paused(house, laptop)
    house.task()
    house.running(laptop)
    with pytest.raises(NotClaimable, match="slots"):
        house.admin(ops.StartWorker(id=claimed.id))
    assert house.worker(claimed).status is WorkerStatus.PAUSED


def test_resuming_passes_no_budget(house: House) -> None:
    laptop = house.account(max_cost_per_day=Decimal(5))
    claimed, _ = paused(house, laptop, max_cost=Decimal(3))
    house.task(max_cost=Decimal(3))
    house.running(laptop)
    with pytest.raises(NotClaimable, match="budget"):
        house.admin(ops.StartWorker(id=claimed.id))


def test_a_day_spent_to_the_cent_is_closed(house: House) -> None:
    """A task without a limit reserves nothing, so only what is spent can keep it back."""
    laptop = house.account(max_cost_per_day=Decimal(5))
    house.task()
    claimed, lease = house.running(laptop)
    house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(5)), lease)
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    house.task()
    assert house.claim(laptop).workers == []


def test_the_reaper_looks_again_before_it_takes_a_lease(house: House) -> None:
    """The agent's heartbeat comes between the reaper's question and its deed."""
    task = house.task()
    claimed, lease = house.running(house.account())
    reaper, store = house.broker.reaper, house.broker._store
    house.clock.advance(61)
    acts = store.read(reaper._look).result()
    house.broker.execute(ops.Heartbeat(id=claimed.id), lease)
    assert [store.write(reaper._in_context(act)).result() for act in acts] == [False]
    assert house.see(task).status is TaskStatus.RUNNING


def test_a_clock_that_steps_back_shortens_no_lease(house: House) -> None:
    house.task()
    claimed, lease = house.running(house.account())
    before = house.broker.execute(ops.Heartbeat(id=claimed.id), lease).lease.expires_at
    house.clock.advance(-30)
    after = house.broker.execute(ops.Heartbeat(id=claimed.id), lease).lease.expires_at
    assert after == before


def test_a_waiting_claim_is_woken_by_a_new_task(house: House) -> None:
    waiting = house.broker.submit(ops.ClaimTasks(wait_seconds=5), house.account())
    house.broker.health().result()  # the claim has tried by now, and waits
    task = house.task()
    assert [each.task_id for each in waiting.result().workers] == [task.id]


def heard(house: House, who: Principal, happens: Callable[[], str]) -> set[str]:
    """The tasks that somebody hears of, up to and with the one that `happens` returns."""
    ready = threading.Event()
    subscription = house.broker.subscribe(who, None, Filter(), ready.set).result()
    last, seen = happens(), set[str]()
    while last not in seen:
        seen |= {notice.event.task_id or "" for notice in subscription.drain()}
        ready.wait(0.1)
    return seen - {""}


def test_an_account_never_hears_of_another_workspace(house: House) -> None:
    other = house.admin(ops.CreateWorkspace(name="other"))

    def happens() -> str:
        house.admin(ops.CreateTask(workspace_id=other.id, title="hidden"))
        return house.task().id

    assert len(heard(house, house.account(), happens)) == 1


def test_an_attempt_hears_of_itself_only(house: House) -> None:
    house.task()
    house.task()
    laptop = house.account()
    other, others_lease = house.running(laptop)
    mine, lease = house.running(laptop)

    def happens() -> str:
        house.broker.execute(ops.Heartbeat(id=other.id, progress=50), others_lease)
        house.broker.execute(ops.Heartbeat(id=mine.id, progress=50), lease)
        return mine.task_id

    assert heard(house, lease, happens) == {mine.task_id}


def test_without_its_event_nothing_happens(database_url: str) -> None:
    """The event is written in the transaction that it tells of: if it cannot be, nothing is."""
    broken = False

    def strike(text: str, step: Step) -> object:
        if broken and text.startswith("INSERT INTO event"):
            raise (
                psycopg.errors.DiskFull("full")
                if database_url.startswith("postgres")
                else sqlite3.OperationalError("full")
            )
        return step()

    broker = Broker(faulty(database_url, strike), BrokerSettings())
    with closing(broker):
        house = House(broker, FrozenClock())
        broken = True
        with pytest.raises(Unavailable):
            house.task()
        broken = False
        assert house.admin(ops.ListTasks()) == []


def test_a_refused_operation_tells_nothing(house: House) -> None:
    task = house.task()
    held, lease = house.take(house.account())
    start = _told(house)
    with pytest.raises(WrongState):  # it has noted the progress before it finds that out
        house.broker.execute(ops.Heartbeat(id=held.id, progress=50, status="running"), lease)
    with pytest.raises(WrongState):
        house.admin(ops.DeleteTask(id=task.id))
    with pytest.raises(NotFound):
        house.admin(ops.CancelTask(id="task_none"))
    with pytest.raises(WrongState):
        house.admin(ops.AnswerWorker(id=held.id, content="?"))
    assert _told(house) == start


def _told(house: House) -> int:
    [row] = house.broker._store.read(lambda tx: tx.all(LAST_SEQ)).result()
    return int(row.value)


def test_two_brokers_share_one_file(sqlite_url: str) -> None:
    """Each takes the write lock before it reads: none finds that what it has read is old."""
    with closing(Broker.open(sqlite_url)) as one, closing(Broker.open(sqlite_url)) as other:
        house = House(one, FrozenClock())
        accounts = [house.account(max_concurrent_workers=100) for _ in range(2)]
        for _ in range(30):
            house.task()
        with ThreadPoolExecutor(8) as pool:
            claims = [
                pool.submit(broker.execute, ops.ClaimTasks(), account)
                for _ in range(15)
                for broker, account in zip((one, other), accounts, strict=True)
            ]
        taken = [each.task_id for claim in claims for each in claim.result().workers]
    assert len(taken) == len(set(taken)) == 30


def test_a_claim_does_not_wait_for_a_locked_task(postgres_url: str) -> None:
    with closing(Broker.open(postgres_url)) as broker:
        house = House(broker, FrozenClock())
        head, second = house.task(priority=9), house.task()
        account = house.account()
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT 1 FROM task WHERE id = %s FOR UPDATE", [head.id])
            claim = house.broker.submit(ops.ClaimTasks(), account).result(timeout=PATIENCE)
        assert [each.task_id for each in claim.workers] == [second.id]


def test_sqlite_flushes_before_it_answers(sqlite_url: str) -> None:
    with closing(database_of(sqlite_url).connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone() == (2,)  # FULL
