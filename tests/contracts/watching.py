"""A plugin of pytest, `-p tests.contracts.watching`: tells which of GitHub's calls were compared."""

from __future__ import annotations

import pytest

from tests.contracts.contract import github


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("calls that were compared")
    for name, times in sorted(github().calls.items()):
        terminalreporter.line(f"{times:6} {name}")
