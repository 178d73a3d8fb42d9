"""A source of issues in a workspace of its own, on a database of either kind that a module shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from buildd.broker import Broker, BrokerSettings
from buildd.store import audit
from buildd.testing import FrozenClock
from tests.broker.conftest import House
from tests.webhooks.hub import Hub


@pytest.fixture(scope="module")
def installation(module_url: str) -> Iterator[tuple[Broker, FrozenClock]]:
    """A broker, and its clock."""
    clock = FrozenClock()
    with closing(Broker.open(module_url, BrokerSettings(clock=clock))) as broker:
        yield broker, clock
    assert audit(module_url) == []


@pytest.fixture
def house(installation: tuple[Broker, FrozenClock]) -> House:
    """A workspace of the test's own."""
    return House(*installation)


@pytest.fixture
def hub(house: House) -> Hub:
    """What plays GitHub."""
    return Hub(house)
