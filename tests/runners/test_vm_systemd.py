"""The `vm` runner on a host with systemd: the real one, with real units, behind a stand-in for OpenSSH."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildd.roles import ExternalRef
from buildd.testing.runners import RunnerSuite
from tests.runners.far import Far, StandIn
from tests.runners.systemd import Systemd

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("BUILDD_LONG" not in os.environ, reason="the long form: make chaos"),
]


class Booted(Far):
    """A host whose user has a systemd, in whose units agents live."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.systemd = Systemd(directory)
        super().__init__(directory, monkeypatch, StandIn)
        python = directory / "python"
        script = python.read_text().replace(
            "from buildd_runners.vm.host import main",
            'from buildd_runners.vm import units; units.manager = lambda: "user"\n'
            "from buildd_runners.vm.host import main",
        )
        head, rest = script.split("\n", 1)
        python.write_text(f"{head}\nexport XDG_RUNTIME_DIR={self.systemd.runtime}\n{rest}")

    def close(self) -> None:
        super().close()
        self.systemd.close()

    def vanish(self, order_id: str) -> None:
        self.systemd.ask("kill", "--signal=KILL", f"buildd-{order_id}-*")
        while self.agents(order_id) or self.units():
            pass
        super().vanish(order_id)

    def units(self) -> list[str]:
        listed = self.systemd.ask("list-units", "--plain", "--no-legend", "buildd-*")
        return [line.split()[0] for line in listed.splitlines()]

    def never(self) -> ExternalRef:
        return ExternalRef("vm", "lch_never", "127.0.0.1/user:buildd-lch_never-0.service")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Booted]:
    booted = Booted(tmp_path, monkeypatch)
    yield booted
    booted.close()


class TestUnits(RunnerSuite):
    """What every runner does."""
