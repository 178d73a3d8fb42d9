"""What a request leaves behind: nothing, as soon as it is answered."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import Future

from buildd import operations as ops
from buildd.broker import Broker
from buildd.models import Claim
from buildd_server.waiting import settled
from tests.broker.conftest import House
from tests.patience import until


def test_nothing_holds_what_was_answered() -> None:
    async def asked() -> weakref.ref[Future[int]]:
        future: Future[int] = Future()
        threading.Timer(0.01, future.set_result, [7]).start()
        assert await settled(future) == 7
        return weakref.ref(future)

    gc.disable()  # Nobody looks for what holds itself.
    try:
        left = asyncio.run(asked())
        until(lambda: left() is None, 10)
    finally:
        gc.enable()


def test_nothing_holds_a_claim_that_has_waited(sqlite_url: str) -> None:
    broker = Broker.open(sqlite_url)
    account = House(broker, None).account()  # type: ignore[arg-type] # the clock is the database's
    gc.disable()
    try:
        left = _waited(broker.submit(ops.ClaimTasks(wait_seconds=1), account))
        until(lambda: left() is None, 10)
    finally:
        gc.enable()
        broker.close()


def _waited(claim: Future[Claim]) -> weakref.ref[Future[Claim]]:
    assert claim.result().workers == []
    return weakref.ref(claim)
