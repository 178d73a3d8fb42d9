"""What every broker does, as tests to inherit: whoever brings a store, a transport or a server runs them.

    from buildd.testing.conformance import BrokerSuite

    class TestMyBroker(BrokerSuite):
        @pytest.fixture
        def bd(self) -> Iterator[Client]:
            with buildd.connect("sqlite:///fresh.db") as client:
                yield client

`bd` is the owner's client of a broker with nothing in it, a fresh one for each test. Nothing else is
asked of it, so the same suite runs embedded and over HTTP, on any database.
"""

import pytest

# Before the tests are imported, so that one that fails shows what it compared.
for _name in ("access", "attempts", "claims", "events", "overview", "tasks"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

from buildd.testing.conformance.access import AccessSuite  # noqa: E402
from buildd.testing.conformance.attempts import AttemptSuite  # noqa: E402
from buildd.testing.conformance.claims import ClaimSuite  # noqa: E402
from buildd.testing.conformance.events import EventSuite  # noqa: E402
from buildd.testing.conformance.overview import OverviewSuite  # noqa: E402
from buildd.testing.conformance.stage import Stage  # noqa: E402
from buildd.testing.conformance.tasks import TaskSuite  # noqa: E402

__all__ = [
    "AccessSuite",
    "AttemptSuite",
    "BrokerSuite",
    "ClaimSuite",
    "EventSuite",
    "OverviewSuite",
    "Stage",
    "TaskSuite",
]


class BrokerSuite(AccessSuite, TaskSuite, ClaimSuite, AttemptSuite, EventSuite, OverviewSuite):
    """All of it."""
