"""What strangers wrote is inert wherever the dashboard shows it (S10), to an administrator who opens all.

Hundreds of texts, each through every place: nothing of them runs, calls anybody, opens a dialog, makes
an element that we did not, or leads where nobody may be led. A careless page shows that all this can fail.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from buildd.client import Client
from tests.browser.planted import Planter, World
from tests.browser.tabs import Tab, context
from tests.browser.test_inert import Found, Site, site, visit
from tests.browser.texts import Text, Texts
from tests.server.serving import ADMIN_KEY, Running, running
from tests.tenancy.tenants import owner

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

LONG = "BUILDD_LONG" in os.environ
PARTS = 6 if LONG else 60
"""Each on a server of its own, so that several can be tried at once. The short form tries the first."""
ROWS = 1000 if LONG else 2
"""Of how many rows of a table the dialogs are opened."""
EVERY = 1 if LONG else 4
"""Of how many texts one has the pages of its own task and workspace opened; the lists show all of them."""
ARTIFACTS = 15

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600 if LONG else 600)]

GO = """(path) => {
    history.pushState(null, '', path);
    dispatchEvent(new PopStateEvent('popstate'));
}"""
UNFOLD = """async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    for (let turn = 0; turn < 3; turn++) {
        for (const each of document.querySelectorAll('main details:not([open])')) each.open = true;
        const folded = 'main [aria-expanded="false"]:not(:disabled)';
        for (const each of document.querySelectorAll(folded)) each.click();
        await frame();
        await frame();
    }
}"""
SWEEP = """async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    for (const list of document.querySelectorAll('main .virtual'))
        for (let top = 0; top < list.scrollHeight; top += list.clientHeight || 500) {
            list.scrollTop = top;
            await frame();
            await frame();
        }
}"""
DIALOGS = """async (rows) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const opened = [];
    const tried = new Map();
    const buttons = [...document.querySelectorAll('main button:not(:disabled)')];
    for (const button of buttons) {
        const name = (button.textContent || button.ariaLabel || '').slice(0, 16);
        const count = tried.get(name) ?? 0;
        if (name === 'Log out' || count >= rows || !button.isConnected || !button.checkVisibility()) continue;
        tried.set(name, count + 1);
        button.click();
        let dialog = null;
        for (let turn = 0; turn < 12 && !dialog; turn++) {
            await frame();
            dialog = document.querySelector('dialog[open]');
        }
        if (!dialog) continue;
        for (const each of dialog.querySelectorAll('details')) each.open = true;
        await frame();
        opened.push(name);
        dialog.querySelector('[aria-label="Close"]').click();
        await frame();
        await frame();
    }
    return opened;
}"""
AUDIT = """() => {
    const wrong = [];
    const never = 'iframe, object, embed, base, frame, math, template, style, marquee, video, audio';
    const own = [...document.scripts].every((each) => each.src.startsWith(location.origin + '/assets/'));
    if (!own) wrong.push('a script');
    for (const each of document.querySelectorAll(never)) wrong.push(each.outerHTML.slice(0, 200));
    for (const element of document.querySelectorAll('*'))
        for (const {name, value} of element.attributes) {
            if (name.startsWith('on') || ['srcdoc', 'srcset', 'ping', 'background'].includes(name))
                wrong.push(`${element.tagName} ${name}=${value}`);
            if (['href', 'src', 'action', 'formaction', 'xlink:href', 'poster'].includes(name)) {
                const url = new URL(value, location.href);
                const own = url.origin === location.origin;
                const away = element.tagName === 'A' && ['http:', 'https:', 'mailto:'].includes(url.protocol);
                if (!own && !away) wrong.push(`${element.tagName} leads to ${value}`);
                if (url.username || url.password) wrong.push(`misleads to ${value}`);
            }
        }
    return wrong;
}"""
CLICK = "for (const each of document.links) if (each.protocol === 'javascript:') each.click()"
LISTS = [
    "/",
    "/fleet",
    "/spend",
    "/workspaces",
    "/settings?tab=keys",
    "/settings?tab=grants",
    "/settings?tab=pools",
    "/settings?tab=hooks",
    "/settings?tab=about",
]
SAID = ["/?text={}", "/?workspace={}", "/events?q={}&task={}", "/tasks/{}", "/workspaces/{}"]
SAID += ["/settings?tab={}", "/spend?since={}&by={}", "/{}", "/login?next={}"]
"""Addresses that a page may say again."""


def test_a_careless_page_is_bitten(
    browser: Browser, record_property: Callable[[str, object], None]
) -> None:
    """The control: if this finds little, the other test proves little."""
    with site() as canary:
        texts = list(Texts(canary.url))

        def page(path: str) -> Found:
            number = path.removeprefix("/")
            if not number.isdecimal():
                return None
            return careless(texts[int(number)].words).encode(), "text/html; charset=utf-8"

        with site(page) as bad, visit(browser, canary) as tab:
            tried = range(0, len(texts), 1 if LONG else 18)
            tab.embed(bad.url, [f"{bad.url}/{each}" for each in tried])
        ran = canary.hits()
    record_property("figures", f"{len(ran)} of {len(tried)} ran, {len(tab.dialogs)} dialogs")
    assert len(texts) >= 300
    assert len(ran) >= len(tried) // 2
    assert len(tab.dialogs) >= len(tried) // 4


def careless(words: str) -> str:
    """What trusts a text: its markup, its Markdown, and what it tells a terminal."""
    page = re.sub(r"!\[[^]]*\]\(([^)]*(?:\(\)[^)]*)*)\)", r'<img src="\1">', words)
    page = re.sub(r"\[([^]]*)\]\(<?(.*?)>?(?: '.*')?\)(?=[^)]*$)", r'<a href="\2">\1</a>', page)
    page = re.sub(r"(?m)^\[r\]: (.*)$", r'<a href="\1">x</a><img src="\1">', page)
    page = re.sub(r"\]8;[^;]*;([^\x07\x1b\x9c]*)", r'<a href="\1">x</a><img src="\1">', page)
    return f"{page}<script>{CLICK}</script>"


def admins(within: BrowserContext, server: Running) -> None:
    """Log the administrator in."""
    with server.client(ADMIN_KEY, origin=server.url) as http:
        assert http.post("/api/auth/session").status_code == 201
        cookie = http.cookies["buildd_session"]
    within.add_cookies([{"name": "buildd_session", "value": cookie, "url": server.url}])


class Visitor:
    """An administrator who opens everything, and what was wrong wherever they were."""

    def __init__(self, opened: Tab) -> None:
        self.tab, self.page = opened, opened.page
        self.wrong: list[str] = []
        self.pages = self.dialogs = 0

    def see(self, path: str, ready: str, arg: object = None, dialogs: bool = False) -> None:
        """Go to a page, wait for it, open what it folds, and look at every element of it."""
        # One that lies behind another draws nothing.
        self.page.bring_to_front()
        self.page.evaluate(GO, path)
        self.page.wait_for_function(ready, arg=arg)
        self.page.evaluate(UNFOLD)
        self.page.evaluate(SWEEP)
        self.look(path)
        if dialogs:
            self.dialogs += len(self.page.evaluate(DIALOGS, ROWS))
            self.look(path)
        self.pages += 1

    def look(self, path: str) -> None:
        """At every element that stands in the page."""
        self.wrong += [f"{path}: {each}" for each in self.page.evaluate(AUDIT)]

    def task(self, world: World, path: str, ready: str, dialogs: bool) -> None:
        self.see(f"/tasks/{path}", ready, world.workspace, dialogs)


HEADED = "() => document.querySelector('main h1') && !document.querySelector('main .loading')"
OF_WORKSPACE = (
    "(id) => document.querySelector('.page-workspaces .facts')?.textContent.includes(id)"
    " && document.querySelectorAll('.page-workspaces table').length >= 2"
)
WORKED_ON = f"""(id) => document.querySelector(`.page-task .task-facts a[href="/workspaces/${{id}}"]`)
    && document.querySelector('.said') && document.querySelector('.question')
    && document.querySelectorAll('.artifact').length === {ARTIFACTS}"""
OVER = """(id) => document.querySelector(`.page-task .task-facts a[href="/workspaces/${id}"]`)
    && !document.querySelector('.artifact') && document.querySelector('.talk')"""
READ = """() => [...document.querySelectorAll('.artifact.open .artifact-body')]
    .every((each) => each.firstElementChild?.textContent || each.querySelector('img'))"""


def lived(bd: Client, database: Path, texts: list[Text]) -> tuple[Planter, list[World]]:
    planter = Planter(bd, database)
    return planter, [planter.plant(each) for each in texts]


@pytest.mark.parametrize("part", range(PARTS if LONG else 1))
def test_what_strangers_wrote_is_inert(
    part: int,
    browser: Browser,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    database = tmp_path / "buildd.db"
    with (
        site() as canary,
        running(f"sqlite:///{database}") as server,
        context(browser, viewport={"width": 1400, "height": 2000}) as mine,
    ):
        admins(mine, server)
        live, here = opened(mine, server), opened(mine, server)
        live.go("/events")
        here.go("/")
        # The feed and the board hear of everything as it happens.
        planter, worlds = lived(owner(server), database, list(Texts(canary.url))[part::PARTS])
        watching, visitor = Visitor(live), Visitor(here)
        watching.see("/events?", HEADED, dialogs=True)
        visited(visitor, worlds)
        for each in said(worlds):
            visitor.see(each, "() => document.querySelector('main')")
        ended(live.page, here.page, canary)
    record_property("figures", f"{dict(planter.places)}, {visitor.pages} pages, {visitor.dialogs}")
    assert live.wrong + here.wrong == []
    assert watching.wrong + visitor.wrong == []
    assert canary.hits() == set()
    assert visitor.dialogs >= 20


def opened(within: BrowserContext, server: Running) -> Tab:
    made = Tab(within.new_page(), server.url)
    made.watch()
    return made


def visited(visitor: Visitor, worlds: list[World]) -> None:
    for number, world in enumerate(worlds[::EVERY]):
        dialogs = LONG or number % 4 == 0
        visitor.see(f"/workspaces/{world.workspace}", OF_WORKSPACE, world.workspace, dialogs)
        visitor.task(world, world.task, WORKED_ON, dialogs=False)
        visitor.page.wait_for_function(READ)
        visitor.look(world.task)
        visitor.task(world, world.over, OVER, dialogs)
    for path in LISTS:
        visitor.see(path, HEADED, dialogs=True)


def said(worlds: list[World]) -> Iterator[str]:
    for number, world in enumerate(worlds[::EVERY]):
        words = quote(world.text.words[:1500], safe="")
        yield SAID[number % len(SAID)].replace("{}", words)


def ended(live: Page, here: Page, canary: Site) -> None:
    """Wait until what was asked for before has been answered."""
    for page in (live, here):
        page.evaluate("""async () => {
            for (let turn = 0; turn < 3; turn++) {
                await fetch('/health');
                await new Promise((done) => setTimeout(done, 100));
            }
        }""")
