"""The same stories by touch on a small screen, in the dark, and by the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.house import FIX, HEAR, House, house
from tests.browser.reader import heading, live, output, question, status
from tests.browser.tabs import context, tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.real

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LONG = "averyveryverylongwordwithoutanyplaceatwhichitcouldbebroken" * 3
WORK = f"""
(while sleep 0.2; do echo "{LONG}"; done) &
answer=$(buildd agent ask "Round up or down?" --option "{LONG}" --option up)
{FIX}
sed -i '1s|^|# {LONG}\\n|' price.py
git diff | buildd agent attach - --type diff --title "{LONG}"
{HEAR}
"""
"""A program that says something all the time, and nothing that is short."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def test_a_task_is_seen_to_its_end_by_touch_on_a_small_screen(
    home: House, browser: Browser
) -> None:
    with context(browser, **PHONE) as mine, tab(mine, home.url) as opened:
        page = live(opened.go("/"))
        fits(page)
        page.get_by_role("button", name="New task").first.tap()
        fits(page)
        page.get_by_label("Title").fill(f"Round prices {LONG}")
        page.get_by_role("button", name="Create task").tap()
        page.get_by_role("button", name="Why is it waiting?").tap()
        page.get_by_role("dialog", name="Why it waits").wait_for()
        fits(page)
        page.get_by_role("button", name="Close").tap()
        home.work(WORK)
        needs = page.get_by_role("region", name="Needs a person")
        needs.get_by_text("Round up or down?").wait_for()
        fits(page)
        needs.get_by_role("link", name="Round prices").tap()
        heading(page, "Round prices").wait_for()
        for name in ("Story", "Conversation", "Artifacts"):
            part(page, name)
        question(page).get_by_role("button", name="up", exact=True).tap()
        question(page).wait_for(state="detached")
        part(page, "Conversation")
        output(page).get_by_text(LONG).first.wait_for()
        part(page, "Artifacts 1")
        page.get_by_role("button", name="Line 3, added, comment on it").tap()
        fits(page)
        page.get_by_label("Comment on line 3").fill(f"Yes: {LONG}")
        page.get_by_role("button", name="Comment", exact=True).tap()
        status(page, "done").wait_for()
        page.get_by_role("heading", name="Changes on").wait_for()
        for name in ("Story", "Conversation", "Artifacts"):
            part(page, name)


def part(page: Page, name: str) -> None:
    """One part of the task's page, on its own as there is no room for more."""
    page.get_by_role("tab", name=name).tap()
    fits(page)


def fits(page: Page) -> None:
    """The page needs no scrolling to the side."""
    size = page.viewport_size
    assert size is not None
    width = page.evaluate("() => document.scrollingElement.scrollWidth")
    assert width <= size["width"], (page.url, page.evaluate(TOO_WIDE))


TOO_WIDE = """() => {
  const clips = (each) =>
    each !== null && (getComputedStyle(each).overflowX !== "visible" || clips(each.parentElement));
  return [...document.querySelectorAll("main *")]
    .filter((each) => each.getBoundingClientRect().right > screen.width && !clips(each.parentElement))
    .map((each) => `${each.tagName}.${each.className}`);
}"""
"""What stands out of the page, and not of a part that scrolls by itself."""


@pytest.mark.parametrize("options", [PHONE, {"viewport": {"width": 1280, "height": 800}}])
def test_every_page_fits_and_is_dark_in_the_dark(
    options: dict[str, Any], home: House, browser: Browser
) -> None:
    paths = furnished(home)
    with context(browser, color_scheme="dark", **options) as mine, tab(mine, home.url) as opened:
        for path, shown in paths.items():
            page = live(opened.go(path))
            page.locator("main").filter(has_text=shown).wait_for()
            fits(page)
            ground, words = page.evaluate(SHADES)
            assert ground < 0.2, path
            assert words > 0.6, path
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keys").wait_for()
        fits(page)


SHADES = """() => {
  const light = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).reduce((sum, each) => sum + +each, 0) / 765;
  const { backgroundColor } = getComputedStyle(document.documentElement);
  return [light(backgroundColor), light(getComputedStyle(document.querySelector("main h1")).color)];
}"""
"""How light the ground and the words are, from 0 to 1."""


def furnished(home: House) -> dict[str, str]:
    """The paths of all pages and what they show, in a house that has one of everything."""
    bd, office = home.bd, home.office
    service = bd.accounts.create(type="service", name=LONG[:100], max_cost_per_day=Decimal("12.5"))
    bd.accounts.grant(account_id=service.id, workspace_id=office.workspace_id, can_claim=True)
    pool = bd.pools.create(
        name=f"pool{LONG[:55]}", account_id=service.id, runner="local", enabled=False
    )
    bd.hooks.create(url=f"https://example.com/{LONG}")
    first = office.task(f"First {LONG}", description=f"# {LONG}\\n\\n`{LONG}`", max_cost=Decimal(1))
    office.task(f"Second {LONG}", depends_on=[first.id], required_capabilities=[LONG[:60]])
    office.task(f"Third {LONG}", trust="public", description=LONG)
    [claimed] = office.account.workers.claim(task_id=first.id).workers
    lease = office.account.with_key(claimed.lease.token)
    lease.workers.start(id=claimed.id)
    lease.workers.heartbeat(id=claimed.id, status="running", cost_usd=Decimal("0.5"), progress=40)
    lease.workers.ask(id=claimed.id, type="question", prompt=LONG, options=[LONG, "no"])
    return {
        "/": first.title,
        "/fleet": pool.name,
        "/spend": "shop",
        "/workspaces": "shop",
        f"/workspaces/{office.workspace_id}": "shop",
        "/settings?tab=keys": "Administrators' keys",
        "/settings?tab=grants": service.name,
        "/settings?tab=pools": pool.name,
        "/settings?tab=hooks": "example.com",
        "/settings?tab=about": "About",
        "/events": "Events",
        f"/tasks/{first.id}": "Asked",
        "/tasks/nothing": "There is no such task",
    }


def test_all_of_it_goes_by_the_keyboard_alone(home: House, browser: Browser) -> None:
    with context(browser) as mine, tab(mine, home.url) as opened:
        page = live(opened.go("/"))
        keys = page.keyboard
        keys.press("c")
        page.get_by_role("dialog", name="New task").wait_for()
        keys.type("By keys")
        keys.press("Enter")
        page.get_by_role("dialog").wait_for(state="detached")
        page.get_by_role("listitem").get_by_role("link", name="By keys").wait_for()
        keys.press("j")
        focused(page, "By keys")
        home.work(WORK + "sleep 600")
        at_work = page.get_by_role("list", name="At work").get_by_role("link", name="By keys")
        at_work.wait_for()
        focused(page, "By keys")
        page.get_by_role("region", name="Needs a person").wait_for()
        focused(page, "By keys")
        keys.press("Enter")
        heading(page, "By keys").wait_for()
        question(page).wait_for()
        keys.press("a")
        focused(page, LONG)
        output(page).get_by_text(LONG).nth(3).wait_for()
        focused(page, LONG)
        keys.press("Tab")
        focused(page, "up")
        keys.press("Enter")
        question(page).wait_for(state="detached")
        somewhere(page)
        page.get_by_role("button", name="Line 1, added").wait_for()
        walk(page, "Tab", "Line 1, added, comment on it")
        walk(page, "ArrowDown", "Line 3, added, comment on it")
        keys.press("Enter")
        page.get_by_label("Comment on line 3").wait_for()
        keys.type("Go on.")
        keys.press("Control+Enter")
        output(page).get_by_text("Go on.").wait_for()
        focused(page, "Line 3, added, comment on it")
        walk(page, "Shift+Tab", "Cancel task")
        keys.press("Enter")
        page.get_by_role("dialog").wait_for()
        keys.press("Enter")
        status(page, "cancelled").wait_for()
        somewhere(page)


FOCUS = """() => {
  const element = document.activeElement;
  const name = element.getAttribute("aria-label") ?? element.textContent;
  const ringed = (each, part) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(each, part);
    return outlineStyle !== "none" && outlineWidth !== "0px";
  };
  let seen = ringed(element, "::after");
  for (let each = element; each; each = each.parentElement) seen ||= ringed(each, null);
  return [element.tagName, name.trim(), seen && element.matches(":focus-visible")];
}"""
"""Where the keyboard is, and whether one sees it there: on the element itself, or on its card."""


def focused(page: Page, name: str) -> None:
    """The keyboard is there, and it is seen that it is."""
    page.wait_for_function(f"(name) => ({FOCUS})()[1] === name", arg=name)
    assert page.evaluate(FOCUS)[1:] == [name, True]


def somewhere(page: Page) -> None:
    """What had the focus went away, and the next one got it."""
    page.wait_for_function("() => document.activeElement !== document.body")


def walk(page: Page, key: str, name: str) -> None:
    """Press a key until the focus is there; wherever it stops, that is seen."""
    stops = []
    for _ in range(80):
        page.keyboard.press(key)
        tag, here, seen = page.evaluate(FOCUS)
        assert seen or tag in {"BODY", "MAIN"}, (tag, here)
        stops.append(here[:40])
        if here == name:
            return
    raise AssertionError(f"{name} is not reached: {stops}")
