"""A tab with the dashboard in it, which notices what a person would not see.

What the browser complains of, what it was kept from, and whom else it has asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PATIENCE = 60_000
"""Milliseconds for what is to appear: more than any machine needs, however busy it is."""


@dataclass
class Tab:
    """A page, and what went wrong in it."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open a page of the dashboard, and wait until it shows something."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("main h1")
        return self.page

    def watch(self) -> None:
        """Note what the browser says of the page from now on."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._asked)
        self.page.on("request", lambda request: self._requested(request.url))

    def _said(self, message: Any) -> None:
        # A refusal is told as an error; whether one was to be expected, each test says itself.
        refused = message.text.startswith("Failed to load resource")
        if message.type in {"error", "warning"} and not refused:
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, url: str) -> None:
        if not url.startswith((self.url + "/", "blob:", "data:", "about:")):
            self.wrong.append(f"asked {url}")


@contextmanager
def context(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A browser of somebody's own: cookies, tabs, window."""
    made = browser.new_context(**options)
    made.set_default_timeout(PATIENCE)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def tab(within: BrowserContext, url: str) -> Iterator[Tab]:
    """A tab, in which nothing may go wrong."""
    made = Tab(within.new_page(), url)
    made.watch()
    yield made
    assert made.wrong == []
