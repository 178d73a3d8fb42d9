"""The suite that `buildd.testing` ships, run on the four ways to reach a broker."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("buildd.testing.conformance")

from buildd.testing.conformance import BrokerSuite  # noqa: E402 - after its asserts are registered


class TestBroker(BrokerSuite):
    """With the fixture `bd` of the whole test run: embedded and over HTTP, on both databases."""
