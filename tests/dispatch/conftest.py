"""A depot on a fresh database of either kind, with a clock that the test moves."""

from __future__ import annotations

import pytest

from tests.broker.conftest import House, house
from tests.dispatch.depot import Depot

__all__ = ["house"]


@pytest.fixture
def depot(house: House) -> Depot:
    return Depot(house)
