"""What measures the dashboard's frames works; what it measures is for a quiet machine.

That is `python -m tests.browser.frames`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.frames.__main__ import Size, frames

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.real


def test_the_frames_of_every_page_are_measured(browser: Browser, tmp_path: Path) -> None:
    size = Size(tasks=12, lines=200, rate=50, seconds=0.5, runs=1)
    found = {name: page for name, page, _ in frames(browser, tmp_path, size, profile=True)}
    assert list(found) == ["task", "board", "events"]
    for page in found.values():
        assert page.deltas
        assert page.heap
        assert page.costs
        assert "median" in page.told()
