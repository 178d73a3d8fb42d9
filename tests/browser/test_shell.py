"""What stands around every page: logging in, the one feed of all tabs, a server that goes and comes back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from buildd.client import Client
from buildd.testing.conformance.stage import Stage
from buildd_server.dashboard import dashboard
from tests.browser.tabs import Tab, context, tab
from tests.server.serving import ADMIN_KEY, Running, running
from tests.tenancy.tenants import owner

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

pytestmark = pytest.mark.real


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'buildd.db'}"


@pytest.fixture
def server(database: str) -> Iterator[Running]:
    """In local mode."""
    with running(database, admin_key=None) as made:
        yield made


@pytest.fixture
def mine(browser: Browser) -> Iterator[BrowserContext]:
    with context(browser) as made:
        yield made


@pytest.fixture
def bd(server: Running) -> Client:
    return owner(server)


def feed(page: Page, says: str) -> None:
    """Wait until the page says this of its feed."""
    page.wait_for_function(
        "(says) => document.querySelector('.feed')?.textContent.includes(says)", arg=says
    )


def test_who_has_no_key_is_asked_for_one_and_comes_where_they_wanted_to_go(
    database: str, mine: BrowserContext
) -> None:
    with running(database) as server, tab(mine, server.url) as opened:
        page = opened.go("/fleet?x=1")
        key = page.get_by_label("Key")
        assert key.get_attribute("type") == "password"
        key.fill("not the key")
        key.press("Enter")
        page.get_by_text("No such key").wait_for()
        key.fill(ADMIN_KEY)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/fleet?x=1")
        feed(page, "Live")
        [cookie] = mine.cookies()
        assert cookie["httpOnly"]
        kept = page.evaluate("() => JSON.stringify([localStorage, sessionStorage, location.href])")
        assert ADMIN_KEY not in kept
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        assert mine.cookies() == []


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "//elsewhere.example", "/api"])
def test_nobody_is_sent_elsewhere_after_logging_in(
    elsewhere: str, database: str, mine: BrowserContext
) -> None:
    with running(database) as server, tab(mine, server.url) as opened:
        page = opened.go(f"/login?next={elsewhere}")
        page.get_by_label("Key").fill(ADMIN_KEY)
        page.get_by_label("Key").press("Enter")
        feed(page, "Live")
        assert page.url == f"{server.url}/"


def log_in(opened: Tab, key: str = ADMIN_KEY) -> Page:
    """As an administrator, unless the key is another's."""
    page = opened.go("/login")
    page.get_by_label("Key").fill(key)
    page.get_by_label("Key").press("Enter")
    feed(page, "Live")
    return page


def test_whose_session_ends_is_asked_again_in_every_tab(
    database: str, mine: BrowserContext
) -> None:
    with (
        running(database) as server,
        tab(mine, server.url) as first,
        tab(mine, server.url) as second,
    ):
        made = owner(server).accounts.create_admin_key(name="passing")
        page = first.go("/login")
        page.get_by_label("Key").fill(made.api_key)
        page.get_by_label("Key").press("Enter")
        feed(page, "Live")
        feed(second.go("/fleet"), "Live")
        owner(server).accounts.revoke_admin_key(id=made.id)
        for each in (first, second):
            each.page.get_by_role("dialog", name="Log in again").get_by_label("Key").wait_for()


def test_whoever_logs_in_again_goes_on_with_what_they_were_doing(
    database: str, mine: BrowserContext
) -> None:
    with (
        running(database) as server,
        tab(mine, server.url) as first,
        tab(mine, server.url) as second,
    ):
        title(owner(server), "waits")
        page = log_in(first)
        feed(second.go("/fleet"), "Live")
        page.get_by_role("button", name="New task").first.click()
        page.get_by_label("Title").fill("half a sen")
        mine.clear_cookies()
        page.get_by_role("button", name="Create task").click()
        again = page.get_by_role("dialog", name="Log in again")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        again.get_by_label("Key").fill(ADMIN_KEY)
        again.get_by_role("button", name="Log in").click()
        page.get_by_role("dialog").first.wait_for(state="detached")
        page.get_by_role("link", name="half a sen").first.wait_for()
        title(owner(server), "told by the feed")
        page.get_by_text("told by the feed").first.wait_for()
        page.get_by_role("button", name="Log out").click()
        for each in (first, second):
            each.page.wait_for_url("**/login")


def test_all_tabs_of_a_browser_share_one_stream_and_the_next_takes_it_over(
    server: Running, bd: Client, mine: BrowserContext
) -> None:
    asked: list[str] = []
    mine.on("request", lambda request: asked.append(urlsplit(request.url).path))
    with ExitStack() as held:
        first, *others = [held.enter_context(tab(mine, server.url)) for _ in range(8)]
        for each in (first, *others):
            feed(each.go("/"), "Live")
        assert asked.count("/api/events") == 1
        title(bd, "seen by all")
        for each in (first, *others):
            each.page.get_by_text("seen by all").first.wait_for()
        first.page.close()
        title(bd, "seen by those who are left")
        for each in others:
            each.page.get_by_text("seen by those who are left").first.wait_for()
        assert asked.count("/api/events") == 2


def title(bd: Client, text: str) -> str:
    """A new task, which the board shows."""
    found = bd.workspaces.list()
    workspace = found[0] if found else bd.workspaces.create(name="shop")
    return bd.tasks.create(workspace_id=workspace.id, title=text).id


def test_a_server_that_comes_back_is_listened_to_again_and_nothing_is_missed(
    database: str, mine: BrowserContext
) -> None:
    with ExitStack() as held:
        with running(database, admin_key=None) as server:
            opened = held.enter_context(tab(mine, server.url))
            page = opened.go("/")
            feed(page, "Live")
            title(owner(server), "before")
            page.get_by_text("before").first.wait_for()
        feed(page, "Not live")
        port = urlsplit(server.url).port
        assert port is not None
        with running(database, admin_key=None) as elsewhere:
            title(owner(elsewhere), "meanwhile")
        with running(database, admin_key=None, port=port) as again:
            feed(page, "Live")
            page.get_by_text("meanwhile").first.wait_for()
            title(owner(again), "afterwards")
            page.get_by_text("afterwards").first.wait_for()
            page.close()


def test_times_are_told_by_the_servers_clock(
    server: Running, bd: Client, mine: BrowserContext
) -> None:
    title(bd, "a fresh one")
    mine.add_init_script("const right = Date.now.bind(Date); Date.now = () => right() - 7_200_000;")
    with tab(mine, server.url) as opened:
        card = opened.go("/").get_by_role("listitem").filter(has_text="a fresh one")
        card.get_by_text(re.compile("just now$| s ago$")).first.wait_for()


def test_what_came_too_soon_is_asked_again(
    server: Running, bd: Client, mine: BrowserContext
) -> None:
    title(bd, "seen at last")
    refusal = {"status": 429, "code": "rate_limited", "detail": "too often", "retryAfter": 0}
    refused: Counter[str] = Counter()

    def refuse_twice(route: Route) -> None:
        # Not by `times=2`: a request that is under way when the last of them ends may never be answered.
        path = urlsplit(route.request.url).path
        refused[path] += 1
        if refused[path] <= 2:
            route.fulfill(status=429, json=refusal)
        else:
            route.continue_()

    with tab(mine, server.url) as opened:
        for path in ("auth/session", "workers?*", "tasks?*"):
            opened.page.route(f"**/api/{path}", refuse_twice)
        page = opened.go("/")
        page.get_by_text("seen at last").first.wait_for()
        assert page.get_by_text("too often").count() == 0
        assert min(refused.values()) > 2


def test_a_page_that_outlived_an_upgrade_says_so_and_loads_the_new_one(
    server: Running, mine: BrowserContext
) -> None:
    with tab(mine, server.url) as opened:
        page = opened.go("/")
        page.route(re.compile("/pages/spend.js"), lambda route: route.fulfill(status=404))
        page.get_by_role("link", name="Spend").click()
        alert = page.get_by_role("alert")
        alert.wait_for()
        page.unroute(re.compile("/pages/spend.js"))
        alert.get_by_role("button", name="Load it again").click()
        page.wait_for_url("**/spend")
        page.get_by_role("heading", name="Spend").first.wait_for()
        opened.wrong = [each for each in opened.wrong if "spend.js" not in each]


def test_whoever_stays_through_an_upgrade_is_told_of_it(
    database: str, mine: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as held:
        with running(database, admin_key=None) as server:
            opened = held.enter_context(tab(mine, server.url))
            page = opened.go("/")
            feed(page, "Live")
        feed(page, "Not live")
        old = dashboard()
        newer = replace(old, digest="f" * len(old.digest))
        monkeypatch.setattr("buildd_server.dashboard.dashboard", lambda: newer)
        with running(database, admin_key=None, port=urlsplit(server.url).port or 0):
            page.get_by_text("There is a newer version of this page.").wait_for()
            page.close()


def test_what_was_asked_on_a_page_goes_with_it(server: Running, mine: BrowserContext) -> None:
    with tab(mine, server.url) as opened:
        page = opened.go("/fleet")
        page.get_by_role("link", name="Spend").click()
        page.get_by_role("heading", name="Spend", level=1).wait_for()
        page.keyboard.press("?")
        page.get_by_role("dialog").wait_for()
        page.go_back()
        page.get_by_role("dialog").wait_for(state="detached")


def test_what_is_asked_while_a_page_is_on_its_way_stays(
    server: Running, mine: BrowserContext
) -> None:
    with tab(mine, server.url) as opened:
        page = opened.go("/")
        held: list[Route] = []
        page.route(re.compile("/pages/spend.js"), lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks what it is given
        with page.expect_request(re.compile("/pages/spend.js")):
            page.keyboard.press("g")
            page.keyboard.press("s")
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keys").wait_for()
        for each in held:
            each.continue_()
        page.get_by_role("heading", name="Spend", level=1, include_hidden=True).wait_for()
        assert page.get_by_role("dialog", name="Keys").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_somebody_chooses(
    scheme: str, server: Running, browser: Browser
) -> None:
    with context(browser, color_scheme=scheme) as mine, tab(mine, server.url) as opened:
        page = opened.go("/")
        other = {"light": "dark", "dark": "light"}[scheme]
        assert ground(opened) == scheme
        button = page.get_by_role("button", name="Colours")
        while ground(opened) != other:
            button.click()
        page.reload()
        page.wait_for_selector("main h1")
        assert ground(opened) == other


def ground(opened: Tab) -> str:
    colour = opened.page.evaluate(
        "() => getComputedStyle(document.documentElement).backgroundColor"
    )
    red = int(re.findall(r"\d+", colour)[0])
    return "light" if red > 128 else "dark"


def test_the_keyboard_goes_everywhere(server: Running, mine: BrowserContext) -> None:
    with tab(mine, server.url) as opened:
        page = opened.go("/")
        for key, path in (("f", "/fleet"), ("s", "/spend"), ("e", "/events"), ("b", "/")):
            page.keyboard.press("g")
            page.keyboard.press(key)
            page.wait_for_url(f"{server.url}{path}")
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keys").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
        page.reload()
        page.wait_for_selector("main h1")
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.textContent") == "Skip to the page"
        page.keyboard.press("Enter")
        assert page.evaluate("() => document.activeElement.id") == "main"


def test_an_accounts_own_key_sees_what_is_its_own(database: str, mine: BrowserContext) -> None:
    with running(database) as server, tab(mine, server.url) as opened:
        stage = Stage(owner(server))
        stage.task(title="of our shop")
        hidden = stage.bd.workspaces.create(name="somebody else's")
        stage.bd.tasks.create(workspace_id=hidden.id, title="not for you")
        page = opened.go("/login")
        page.get_by_label("Key").fill(stage.account.api_key)
        page.get_by_label("Key").press("Enter")
        page.get_by_text("of our shop").first.wait_for()
        for path in ("/", "/fleet", "/spend", "/workspaces", "/settings", "/events"):
            opened.go(path)
            feed(page, "Live")
            assert "not for you" not in page.content()
            assert "somebody else" not in page.content()
