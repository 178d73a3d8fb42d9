"""Whoever reads by ear, by keyboard, from near or without motion can use every page.

WCAG 2.2 AA, as far as axe knows it, and what it does not know.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.planted import Planter, World
from tests.browser.tabs import Tab, context
from tests.browser.test_hostile_dashboard import GO, HEADED, admins
from tests.browser.texts import Text
from tests.server.serving import Running, running
from tests.tenancy.tenants import owner

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

AXE = Path(__file__).parents[2] / ".make/web/node_modules/axe-core/axe.min.js"
RUN = """async () => {
    const {violations} = await axe.run(document, {
        resultTypes: ['violations'],
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        rules: {'target-size': {enabled: true}},
    });
    return violations.flatMap(({id, impact, nodes}) => nodes.map(({html, failureSummary}) =>
        [impact, `${id}: ${html.slice(0, 160)} ${failureSummary.slice(0, 240)}`]));
}"""
WORDS = "Round the **price** of a cart, see `price.py`"
LISTS = ["/", "/fleet", "/spend", "/workspaces", "/events", "/login"]
LISTS += [f"/settings?tab={each}" for each in ("keys", "grants", "pools", "hooks", "about")]
DIALOGS = {
    "/": ["New task", "Why is it waiting?", "Needs approval"],
    "/fleet": ["New account", "Edit", "Drain", "Stop"],
    "/workspaces": ["New workspace"],
    "/settings?tab=keys": ["New key"],
    "/settings?tab=pools": ["New pool", "Edit"],
    "/settings?tab=hooks": ["New hook"],
}
LONG = "BUILDD_LONG" in os.environ
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 360)]
FULL, EMPTY = (LOOKS, LOOKS) if LONG else ([("light", 1280)], [("dark", 360)])


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with _server(tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, World]]:
    """Where something stands in every place that can hold something."""
    place = tmp_path_factory.mktemp("full")
    with running(f"sqlite:///{place / 'buildd.db'}", lease_ttl=86_400) as made:
        planter = Planter(owner(made), place / "buildd.db")
        planter.plant(Text(0, "An error, told in words", "https://example.com/0"))
        yield made, planter.plant(Text(1, WORDS, "https://example.com/1"))


def _server(factory: pytest.TempPathFactory) -> Any:
    return running(f"sqlite:///{factory.mktemp('empty') / 'buildd.db'}", admin_key=None)


def paths(world: World) -> list[str]:
    """Every page, with something on it."""
    task = [f"/tasks/{world.task}", f"/tasks/{world.task}?tab=artifacts"]
    task += [f"/tasks/{world.task}?tab=story", f"/tasks/{world.over}"]
    return [*LISTS, *task, f"/workspaces/{world.workspace}"]


class Inspector:
    """Goes through pages, and notes what is wrong with them."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.serious: list[str] = []
        self.others: set[str] = set()
        self.pages = self.looks = 0

    def go(self, path: str) -> None:
        """As a click on a link does, for which no page is loaded again."""
        if self.pages:
            self.page.evaluate(GO, path)
            self.settle()
        else:
            self.page.goto(self.url + path)
        self.pages += 1
        self.page.wait_for_function(HEADED)
        assert self.page.url in {self.url + path, f"{self.url}/"}, self.page.url
        self.settle()

    def settle(self) -> None:
        """Wait until what was asked for before has been answered, and drawn."""
        self.page.evaluate("""async () => {
            for (let turn = 0; turn < 3; turn++) {
                await fetch('/health');
                await new Promise((done) => requestAnimationFrame(done));
            }
            await Promise.all(document.getAnimations().filter(finite).map((each) => each.finished));
            function finite({effect}) { return effect.getComputedTiming().iterations !== Infinity; }
        }""")

    def look(self, where: str) -> None:
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text())
        for impact, said in self.page.evaluate(RUN):
            if impact in {"serious", "critical"}:
                self.serious.append(f"{where}: {said}")
            else:
                self.others.add(said.partition(":")[0])
        self.looks += 1

    def open_dialogs(self, path: str) -> None:
        for name in DIALOGS.get(path, []):
            button = (
                self.page.get_by_role("main")
                .get_by_role("button", name=name)
                .locator("visible=true")
            )
            if button.count() == 0:
                continue
            button.first.click()
            self.page.locator("dialog[open]").wait_for()
            self.settle()
            self.look(f"{path} with {name}")
            self.page.locator("dialog[open] header [aria-label=Close]").click()
            self.page.locator("dialog[open]").wait_for(state="detached")


@pytest.fixture
def inspect(browser: Browser) -> Iterator[Callable[..., Inspector]]:
    with ExitStack() as held:

        def made(
            server: Running, width: int = 1280, local: bool = False, **options: Any
        ) -> Inspector:
            size = {"width": width, "height": 900}
            still = {"reduced_motion": "reduce", **options}
            within = held.enter_context(context(browser, viewport=size, **still))
            if not local:
                admins(within, server)
            opened = Tab(within.new_page(), server.url)
            return Inspector(opened.page, server.url)

        yield made


@pytest.mark.parametrize(("scheme", "width"), FULL)
def test_axe_finds_nothing_serious_where_all_is_full(
    scheme: str,
    width: int,
    full: tuple[Running, World],
    inspect: Callable[..., Inspector],
    record_property: Callable[[str, object], None],
) -> None:
    server, world = full
    inspector = inspect(server, width, color_scheme=scheme)
    for path in paths(world):
        inspector.go(path)
        inspector.look(path)
        inspector.open_dialogs(path)
    record_property("figures", f"{inspector.looks} looked at, minor: {sorted(inspector.others)}")
    assert inspector.serious == []


@pytest.mark.parametrize(("scheme", "width"), EMPTY)
def test_axe_finds_nothing_serious_where_nothing_is_or_goes_wrong(
    scheme: str, width: int, empty: Running, inspect: Callable[..., Inspector]
) -> None:
    inspector = inspect(empty, width, local=True, color_scheme=scheme)
    for path in [*LISTS, "/tasks/task_gone", "/workspaces/ws_gone"]:
        inspector.go(path)
        inspector.look(f"empty {path}")
    inspector.page.route(
        lambda url: "/api/" in url and "/api/auth" not in url,
        lambda route: route.fulfill(status=503),
    )
    for path in ["/", "/fleet", "/spend", "/events", "/tasks/task_x"]:
        inspector.page.goto(empty.url + path)
        inspector.page.locator(".notice, .toast").first.wait_for()
        inspector.look(f"failing {path}")
    assert inspector.serious == []


SMALL = """() => [...document.querySelectorAll(
        'button, input, select, textarea, summary, a[href]:not(.picture), [role=tab]')]
    .filter((each) => each.checkVisibility() && each.closest('main, .side, dialog'))
    .filter((each) => getComputedStyle(each).display !== 'inline')
    .map((each) => [each, (each.closest('label') ?? each).getBoundingClientRect()])
    .filter(([, {width, height}]) => width > 0 && (width < 23.9 || height < 23.9))
    .map(([each, {width, height}]) =>
        `${each.outerHTML.slice(0, 100)} ${Math.round(width)} x ${Math.round(height)}`)"""
SIZE = "() => [document.documentElement.scrollWidth, innerWidth]"


@pytest.mark.parametrize("percent", [100, 200, 400] if LONG else [400])
def test_pages_reflow_when_they_are_enlarged_and_what_can_be_pressed_is_large_enough(
    percent: int, full: tuple[Running, World], inspect: Callable[..., Inspector]
) -> None:
    """A window of 1280 pixels, enlarged, has so many of CSS; 24 are enough, except in a line of text."""
    server, world = full
    inspector = inspect(server, 1280 * 100 // percent)
    wide, small = [], set()
    for path in paths(world):
        inspector.go(path)
        needed, given = inspector.page.evaluate(SIZE)
        if needed > given:
            wide.append(f"{path}: {needed} of {given}")
        small |= {f"{path}: {each}" for each in inspector.page.evaluate(SMALL)}
    assert wide == []
    assert small == set()


MOVES = "() => document.getAnimations().map((each) => each.animationName ?? String(each))"


def test_something_moves_for_whom_motion_is_not_reduced(
    full: tuple[Running, World], inspect: Callable[..., Inspector]
) -> None:
    """The control of what follows."""
    page = inspect(full[0], reduced_motion="no-preference").page
    page.goto(full[0].url)
    page.wait_for_function(f"() => ({MOVES})().length > 0")


def test_who_uses_the_keyboard_sees_where_they_are_and_nothing_moves_for_whom_motion_is_reduced(
    full: tuple[Running, World], inspect: Callable[..., Inspector]
) -> None:
    server, world = full
    inspector = inspect(server)
    seen = """() => {
        const active = document.activeElement;
        const {width, height, bottom, right} = active.getBoundingClientRect();
        const there = width > 0 && height > 0 && bottom > 0 && right > 0;
        const marks = ({outlineStyle, outlineWidth, boxShadow, stroke}) =>
            boxShadow !== 'none' || stroke !== 'none'
            || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1);
        const parts = [active, ...active.querySelectorAll('rect')];
        const marked = parts.some((each) => marks(getComputedStyle(each)));
        return [document.activeElement === document.body || (there && marked),
            document.activeElement.outerHTML.slice(0, 120)];
    }"""
    lost = set()
    for path in paths(world):
        inspector.go(path)
        assert inspector.page.evaluate(MOVES) == [], path
        for _ in range(30):
            inspector.page.keyboard.press("Tab")
            visible, element = inspector.page.evaluate(seen)
            if not visible:
                lost.add(f"{path}: {element}")
    assert lost == set()
