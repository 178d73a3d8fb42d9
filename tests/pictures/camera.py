"""The pictures: which page, how wide, in which colours, and what is done before each is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from buildd.client import Client
from tests.browser.tabs import Tab, context, tab
from tests.pictures.office import NOW
from tests.pictures.png import shrunk
from tests.pictures.today import STUCK, VAT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Act = Callable[["Page"], None]
WIDE, NARROW = (1280, 800), (360, 740)


def _nothing(page: Page) -> None:
    """As the page comes."""


@dataclass(frozen=True)
class Shot:
    """One picture."""

    name: str
    path: str
    act: Act = _nothing
    """What a person does before."""
    size: tuple[int, int] = WIDE
    dark: bool = False
    locked: bool = False
    """Whether it is what somebody sees who has not logged in."""


@dataclass(frozen=True)
class Door:
    """Where the dashboard is, and what opens it."""

    url: str
    key: str = field(repr=False)


def shots(bd: Client) -> Iterator[Shot]:
    """All pictures of an office."""
    task = f"/tasks/{bd.tasks.list(text=VAT)[0].id}"
    shop = next(each.id for each in bd.workspaces.list() if each.name == "shop")
    yield Shot("board", "/")
    yield Shot("board-dark", "/", dark=True)
    yield Shot("board-narrow", "/", size=NARROW)
    yield Shot("create-task", "/", _create)
    yield Shot("why", "/", _why)
    yield Shot("task", task)
    yield Shot("task-dark", task, dark=True)
    yield Shot("task-narrow", task, size=NARROW)
    yield Shot("task-diff", task, _diff, size=(1280, 1100))
    yield Shot("fleet", "/fleet", size=(1280, 1800))
    yield Shot("spend", "/spend", size=(1280, 1000))
    yield Shot("workspaces", "/workspaces")
    yield Shot("workspace", f"/workspaces/{shop}", size=(1280, 1000))
    yield Shot("settings", "/settings")
    yield Shot("events", "/events")
    yield Shot("login", "/login", locked=True, size=(1280, 600))


def _create(page: Page) -> None:
    page.keyboard.press("c")
    page.get_by_label("Title").fill("Round split refunds once")
    page.get_by_label("Description").fill("See `refunds.py`. **One** rounding, at the end.")


def _why(page: Page) -> None:
    card = page.locator("[data-task]", has_text=STUCK).first
    card.locator("xpath=ancestor-or-self::article|ancestor::li").get_by_role(
        "button", name="Why"
    ).first.click()
    page.get_by_role("dialog").wait_for()


def _diff(page: Page) -> None:
    diff = page.locator(".artifact.open", has=page.locator(".diff"))
    diff.first.evaluate("(diff) => diff.scrollIntoView()")


def take(browser: Browser, door: Door, shot: Shot, into: Path) -> Path:
    """Open the page, wait until nothing comes any more, and take its picture."""
    width, height = shot.size
    options = {
        "viewport": {"width": width, "height": height},
        "color_scheme": "dark" if shot.dark else "light",
        "timezone_id": "UTC",
        "locale": "en-GB",
        "reduced_motion": "reduce",
    }
    with context(browser, **options) as within, tab(within, door.url) as opened:
        if not shot.locked:
            within.request.post(
                f"{door.url}/api/auth/session", headers={"authorization": f"Bearer {door.key}"}
            )
        within.clock.set_fixed_time(NOW)
        page = _settled(opened, shot)
        path = into / f"{shot.name}.png"
        path.write_bytes(shrunk(page.screenshot(animations="disabled", caret="hide")))
        # A stream that is open would keep the next page from being "idle".
        page.close()
    return path


def _settled(opened: Tab, shot: Shot) -> Page:
    page = opened.go(shot.path)
    if not shot.locked:
        page.locator(".feed.live").wait_for(state="attached")
    shot.act(page)
    page.wait_for_function("() => !document.querySelector('main .loading')")
    # Pictures, and frames that draw a long text part by part.
    page.wait_for_timeout(500)
    return page
