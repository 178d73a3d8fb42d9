from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildd.testing.runners import RunnerSuite, StopSuite, World
from buildd_runners.coder import client, ending
from buildd_runners.coder.settings import OnStop
from tests.runners.coder_world import CoderWorld


class TestCoderRunner(RunnerSuite):
    @pytest.fixture
    def world(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
        monkeypatch.setattr(client, "_ANSWER", 2.0)
        monkeypatch.setattr(ending, "_SETTLE", 2.0)
        with CoderWorld(OnStop.DELETE) as world:
            yield world


class TestWorkspacesThatStay(StopSuite):
    @pytest.fixture
    def world(self) -> Iterator[World]:
        with CoderWorld(OnStop.STOP) as world:
            yield world
