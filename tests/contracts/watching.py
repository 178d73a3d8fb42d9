"""A plugin of pytest, `-p tests.contracts.watching`: the far end keeps to GitHub's own description.

A test that speaks with it fails where a request of ours or an answer of the far end strays.
"""

from __future__ import annotations

import pytest

from tests.contracts.contract import github
from tests.github.far_end import GitHub


def pytest_configure() -> None:
    GitHub.contract = github()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("calls that were compared")
    for name, times in sorted(github().calls.items()):
        terminalreporter.line(f"{times:6} {name}")
