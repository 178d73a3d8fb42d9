"""What every runner does, as tests to inherit: its author writes a `World`, and pytest does the rest.

    from buildd.testing.runners import RunnerSuite, World

    class TestMyRunner(RunnerSuite):
        @pytest.fixture
        def world(self, tmp_path: Path) -> Iterator[World]:
            with MyWorld(tmp_path) as world:
                yield world

The same suite holds for agents on this machine, in a container, behind SSH or behind an HTTP API.
"""

import pytest

# Before the tests are imported, so that one that fails shows what it compared.
pytest.register_assert_rewrite(f"{__name__}.stage", f"{__name__}.launches")
pytest.register_assert_rewrite(f"{__name__}.lives", f"{__name__}.privacy")

from buildd.testing.runners.launches import LaunchSuite  # noqa: E402
from buildd.testing.runners.lives import ObserveSuite, StopSuite  # noqa: E402
from buildd.testing.runners.privacy import CheckSuite, PrivacySuite  # noqa: E402
from buildd.testing.runners.stage import Stage  # noqa: E402
from buildd.testing.runners.world import Trouble, World  # noqa: E402

__all__ = [
    "CheckSuite",
    "LaunchSuite",
    "ObserveSuite",
    "PrivacySuite",
    "RunnerSuite",
    "Stage",
    "StopSuite",
    "Trouble",
    "World",
]


class RunnerSuite(LaunchSuite, ObserveSuite, StopSuite, PrivacySuite, CheckSuite):
    """All of it. Provide the fixture `world`, a fresh one for each test."""
