"""How much a browser that has nothing of the dashboard fetches until it shows the board."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.planted import Planter
from tests.browser.reader import live
from tests.browser.tabs import context, tab
from tests.browser.test_hostile_dashboard import admins
from tests.browser.texts import Text
from tests.server.serving import running
from tests.tenancy.tenants import owner

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.real

MOST = 150_000
"""Bytes over the wire, headers included."""


def test_the_first_load_is_light(
    browser: Browser, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with (
        running(f"sqlite:///{tmp_path / 'buildd.db'}") as server,
        context(browser) as mine,
        tab(mine, server.url) as opened,
    ):
        Planter(owner(server), tmp_path / "buildd.db").plant(
            Text(1, "Round the price", "https://example.com/1")
        )
        admins(mine, server)
        sizes: dict[str, int] = {}
        urls: dict[str, str] = {}
        listener = mine.new_cdp_session(opened.page)
        listener.send("Network.enable")

        def begun(event: dict[str, Any]) -> None:
            urls[event["requestId"]] = event["response"]["url"]

        def ended(event: dict[str, Any]) -> None:
            sizes[event["requestId"]] = event["encodedDataLength"]

        listener.on("Network.responseReceived", begun)
        listener.on("Network.loadingFinished", ended)
        live(opened.go("/"))
        opened.page.wait_for_selector(".card")
        opened.page.evaluate("() => fetch('/health').then((answer) => answer.text())")
        assets = sum(size for each, size in sizes.items() if "/api/" not in urls[each])
    record_property(
        "figures", f"{len(sizes)} answers, {sum(sizes.values())} bytes, {assets} of files"
    )
    assert sum(sizes.values()) < MOST
