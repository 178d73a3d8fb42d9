"""The suite that `buildd.testing` ships, run on the four ways to reach a broker."""

from __future__ import annotations

from buildd.testing.conformance import BrokerSuite


class TestBroker(BrokerSuite):
    """With the fixture `bd` of the whole test run: embedded and over HTTP, on both databases."""
