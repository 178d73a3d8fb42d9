"""What a claim that has waited leaves in memory: nothing."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import Future

from buildd import operations as ops
from buildd.models import Claim
from tests.broker.conftest import House
from tests.patience import until


def test_nothing_holds_a_claim_that_has_waited(house: House) -> None:
    account = house.account()
    gc.disable()  # Nobody looks for what holds itself.
    try:
        left = _waited(house.broker.submit(ops.ClaimTasks(wait_seconds=1), account))
        until(lambda: left() is None, 10)
    finally:
        gc.enable()


def _waited(claim: Future[Claim]) -> weakref.ref[Future[Claim]]:
    assert claim.result().workers == []
    return weakref.ref(claim)
