"""What goes on while somebody looks: a server starts anew, others look too and answer, keys are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildd.models import Task
from buildd.states import TaskStatus
from tests.browser.house import House, house
from tests.browser.reader import (
    create,
    feed,
    live,
    log_in,
    open_task,
    output,
    question,
    status,
)
from tests.browser.tabs import context, tab
from tests.patience import until
from tests.server.serving import ADMIN_KEY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.real


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """A server that asks for keys."""
    with house(tmp_path, ADMIN_KEY) as made:
        yield made


def test_a_restart_in_the_middle_of_a_task_doubles_and_misses_no_line(
    home: House, browser: Browser
) -> None:
    with context(browser) as mine, tab(mine, home.url) as opened:
        page = log_in(opened, ADMIN_KEY)
        create(page, "Writes on")
        open_task(page, "Writes on")
        home.work(
            f"seq 1 100; {home.wait('away')}; seq 101 200; touch {home.gate('written')};"
            f" {home.wait('back')}; seq 201 300"
        )
        output(page).get_by_text("100", exact=True).wait_for()
        home.leave()
        feed(page, "Not live")
        home.gate("away").touch()
        until(home.gate("written").exists)
        home.come_back()
        live(page)
        home.gate("back").touch()
        status(page, "done").wait_for()
        page.get_by_text("300 rows").wait_for()
        assert lines(page) == [str(number) for number in range(1, 301)]


LINES = """async (box) => {
  const found = new Map();
  box.scrollTop = 0;
  for (let top = 0; top < box.scrollHeight; top += box.clientHeight / 2) {
    box.scrollTop = top;
    for (let frames = 0; frames < 3; frames += 1) await new Promise(requestAnimationFrame);
    for (const each of box.querySelectorAll(".said-body")) found.set(each.textContent, true);
  }
  return [...found.keys()];
}"""


def lines(page: Page) -> list[str]:
    """What a reader sees who scrolls from the first line to the last."""
    found: list[str] = output(page).evaluate(LINES)
    return found


def test_two_browsers_see_the_same_and_only_one_answers(home: House, browser: Browser) -> None:
    with ExitStack() as held:
        keys = ADMIN_KEY, home.office.key
        tabs = [
            held.enter_context(tab(held.enter_context(context(browser)), home.url)) for _ in keys
        ]
        first, second = (log_in(each, key) for each, key in zip(tabs, keys, strict=True))
        create(second, "Asks twice")
        open_task(first, "Asks twice")
        open_task(second, "Asks twice")
        ask = 'buildd agent ask "{} or not?" --option yes --option no'
        home.work(f"echo $({ask.format('First')}); echo $({ask.format('Second')})")

        for page in (first, second):
            question(page).get_by_text("First or not?").wait_for()
            status(page, "running").wait_for()
        question(first).get_by_role("button", name="yes").click()
        question(second).get_by_text("Second or not?").wait_for()
        for page in (first, second):
            output(page).get_by_text("yes", exact=True).first.wait_for()

        both_answer(first, second)
        for page in (first, second):
            question(page).wait_for(state="detached")
            status(page, "done").wait_for()
        told = sorted(toast(page) for page in (first, second))
        assert told == ["Answered", "it asks nothing now: somebody may have answered it already"]
        won = first if toast(first) == "Answered" else second
        said = "yes" if won is first else "no"
        for page in (first, second):
            assert page.locator(".said-person").last.inner_text().endswith(said)


def both_answer(first: Page, second: Page) -> None:
    """Both press a button before the server has heard of either."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    for page in (first, second):
        page.route("**/answer", hold)
    with (
        first.expect_response("**/answer"),
        second.expect_response("**/answer"),
    ):
        question(first).get_by_role("button", name="yes").click()
        question(second).get_by_role("button", name="no").click()
        while len(held) < 2:
            first.wait_for_timeout(10)
        for route in held:
            route.continue_()


def toast(page: Page) -> str:
    """What the page tells of what was done last."""
    said: str = page.locator(".toast span").last.inner_text()
    return said


def test_a_new_accounts_key_is_seen_once_and_lets_an_agent_in(
    home: House, browser: Browser
) -> None:
    with context(browser) as mine, tab(mine, home.url) as opened:
        page = log_in(opened, ADMIN_KEY)
        page.get_by_role("link", name="Fleet").click()
        page.get_by_role("button", name="New account").click()
        form = page.get_by_role("dialog", name="New account")
        form.get_by_label("Name").fill("Ada's desk")
        form.get_by_role("button", name="Make account").click()
        keys = [seen_once(page)]
        page.get_by_role("link", name="Settings").click()
        page.get_by_role("combobox", name="Account").select_option(label="Ada's desk")
        page.get_by_role("button", name="New key").last.click()
        form = page.get_by_role("dialog", name="New key of Ada's desk")
        form.get_by_label("Name").fill("at night")
        form.get_by_role("button", name="Make key").click()
        keys.append(seen_once(page))

        for key in keys:
            task = home.office.task(f"For {key[:9]}")
            home.work("cat", "--once", "--max-tasks=1", key=key)
            until(partial(is_done, home, task))
        page.reload()
        page.wait_for_selector("main h1")
        for key in keys:
            nowhere(page, key)


def is_done(home: House, task: Task) -> bool:
    return home.bd.tasks.get(id=task.id).status is TaskStatus.COMPLETED


def seen_once(page: Page) -> str:
    """The key, which is nowhere once its reader says that it is kept."""
    shown = page.get_by_role("dialog").filter(has_text="shown this once")
    key: str = shown.locator(".secret code").inner_text()
    page.keyboard.press("Escape")  # a slip, which closes nothing
    shown.get_by_role("button", name="I have kept it").click()
    shown.wait_for(state="detached")
    nowhere(page, key)
    return key


KEPT = """async () => JSON.stringify([
  document.documentElement.outerHTML,
  [...document.querySelectorAll("input, textarea")].map((each) => each.value),
  {...localStorage}, {...sessionStorage}, document.cookie, history.state, location.href,
  await indexedDB.databases(), "caches" in window ? await caches.keys() : [],
  performance.getEntries().map((each) => each.name),
])"""


def nowhere(page: Page, key: str) -> None:
    """The key is in no place of the page or of the browser."""
    assert key.startswith("buildd_")
    assert key not in page.evaluate(KEPT)
    assert key not in str(page.context.storage_state(indexed_db=True))
