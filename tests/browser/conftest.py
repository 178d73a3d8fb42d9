"""One browser for all that is tried in one: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessForNavigations",
]
"""Else the browser would keep pages from a canary on loopback, and us from seeing it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module: while Playwright is at work, no other event loop runs in this thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()
