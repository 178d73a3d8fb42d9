"""What a person does on the dashboard's pages, and what they see there, in the words of the pages."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tests.patience import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.tabs import Tab


def live(page: Page) -> Page:
    """Wait until the page says that it is live."""
    page.locator(".feed.live").wait_for(state="attached")
    return page


def create(page: Page, title: str, **fields: str) -> None:
    """Put in a task by the board's form."""
    page.get_by_role("button", name="New task").first.click()
    form = page.get_by_role("dialog", name="New task")
    form.get_by_label("Title").fill(title)
    form.get_by_text("Attempts and times").click()
    for label, value in fields.items():
        form.get_by_label(label).fill(value)
    form.get_by_role("button", name="Create task").click()
    form.wait_for(state="detached")


def open_task(page: Page, title: str) -> None:
    """From the board to the task's page."""
    page.get_by_role("listitem").get_by_role("link", name=title).first.click()
    heading(page, title).wait_for()


def heading(page: Page, title: str) -> Locator:
    return page.get_by_role("heading", level=1, name=title)


def output(page: Page) -> Locator:
    """What the agent says and writes."""
    return page.get_by_role("region", name="Conversation and output")


def question(page: Page) -> Locator:
    return page.get_by_role("region", name="A question waits for you")


def story(page: Page) -> list[str]:
    """The story's steps, the first one first."""
    steps: list[str] = page.locator("ol.story > li b").all_inner_texts()
    return steps


def tells(page: Page, *steps: str, part: slice = slice(None)) -> None:
    """Wait until the story, or a part of it, has these steps: some are read only after the event."""
    with suppress(AssertionError):
        until(lambda: story(page)[part] == [*steps])
    assert story(page)[part] == [*steps]


def status(page: Page, word: str) -> Locator:
    """The task's badge, once it says that."""
    return page.locator(".task-title .badge").get_by_text(word, exact=True)


def confirm(page: Page, action: str) -> None:
    """Yes, do it."""
    page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()


def feed(page: Page, says: str) -> None:
    """Wait until the page says this of its feed."""
    page.locator(".feed").get_by_text(says).wait_for(state="attached")


def log_in(opened: Tab, key: str) -> Page:
    """Log in with a key, and come to the board."""
    page = opened.go("/login")
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Log in").click()
    return live(page)
