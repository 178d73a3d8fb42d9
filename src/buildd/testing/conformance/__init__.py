"""What every broker does, as tests to inherit: whoever brings a store, a transport or a server runs them.

    pytest.register_assert_rewrite("buildd.testing.conformance")

    from buildd.testing.conformance import BrokerSuite

    class TestMyBroker(BrokerSuite):
        @pytest.fixture
        def bd(self) -> Iterator[Client]:
            with buildd.connect("sqlite:///fresh.db") as client:
                yield client

`bd` is the owner's client of a broker with nothing in it, a fresh one for each test. Nothing else is
asked of it, so the same suite runs embedded and over HTTP, on any database.
"""

from buildd.testing.conformance.access import AccessSuite
from buildd.testing.conformance.attempts import AttemptSuite
from buildd.testing.conformance.claims import ClaimSuite
from buildd.testing.conformance.events import EventSuite
from buildd.testing.conformance.stage import Stage
from buildd.testing.conformance.tasks import TaskSuite

__all__ = [
    "AccessSuite",
    "AttemptSuite",
    "BrokerSuite",
    "ClaimSuite",
    "EventSuite",
    "Stage",
    "TaskSuite",
]


class BrokerSuite(AccessSuite, TaskSuite, ClaimSuite, AttemptSuite, EventSuite):
    """All of it."""
