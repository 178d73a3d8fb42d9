"""`python -m tests.browser.frames`: the dashboard's frames with 5,000 tasks and 50 events a second.

The board with all of its tasks loaded, a task with 100,000 lines of output, and the feed; beside each run
an empty page under the same load, because on a machine that is not quiet its frames are late as well.
Ends with 1 if in the median run of a page a frame took longer than 100 ms.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.frames.load import Large, busy, large
from tests.browser.frames.measuring import Frames, measured
from tests.browser.tabs import context, tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

LONGEST = 100.0
"""Milliseconds of a frame."""
TO_ENDS = """async (tasks) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const lists = [...document.querySelectorAll('.column .virtual')];
    const card = document.querySelector('.card-place').getBoundingClientRect().height;
    const loaded = () => lists.reduce((sum, each) => sum + Math.round(each.scrollHeight / card), 0);
    while (loaded() < tasks) {
        for (const each of lists) each.scrollTop = each.scrollHeight;
        await frame();
    }
    for (const each of lists) each.scrollTop = 0;
    return loaded();
}"""
ALL_LINES = """async (lines) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const told = () => document.querySelector('.talk-tools').textContent.replace(/[^0-9]/g, '');
    while (Number(told()) < lines) await frame();
}"""


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    tasks: int = 5000
    lines: int = 100_000
    rate: int = 50
    seconds: float = 20.0
    runs: int = 5


@contextmanager
def pages(within: BrowserContext, at: Large, size: Size) -> Iterator[dict[str, Callable[[], Page]]]:
    """How to open each page that is measured, with all that it can hold."""
    with tab(within, at.url) as opened:

        def board() -> Page:
            page = opened.go("/")
            page.wait_for_selector(".card-place")
            page.evaluate(TO_ENDS, size.tasks - 8)
            return page

        def task() -> Page:
            page = opened.go(f"/tasks/{at.task}")
            page.wait_for_selector(".said")
            page.evaluate(ALL_LINES, size.lines)
            return page

        def events() -> Page:
            page = opened.go("/events")
            page.wait_for_selector(".feed-row")
            return page

        yield {"task": task, "board": board, "events": events}


def frames(
    browser: Browser, place: Path, size: Size, profile: bool = False
) -> Iterator[tuple[str, Frames, Frames]]:
    """Each run of each page, and of the empty page beside it."""
    with (
        large(place, size.tasks, size.lines) as at,
        context(browser, viewport={"width": 1280, "height": 800}) as mine,
        pages(mine, at, size) as shown,
        context(browser) as other,
    ):
        mine.set_default_timeout(120_000)
        empty = other.new_page()
        empty.goto(f"{at.url}/health")
        for name, opens in shown.items():
            page = opens()
            with busy(at, size.rate) as real:
                for _ in range(size.runs):
                    yield name, measured(page, size.seconds, profile), measured(empty, size.seconds)
                click.echo(f"{name:7} at {real():.1f} events a second")


@click.command()
@click.option("--runs", default=5, show_default=True)
@click.option("--seconds", default=20.0, show_default=True)
@click.option("--tasks", default=5000, show_default=True)
@click.option("--lines", default=100_000, show_default=True)
@click.option("--rate", default=50, show_default=True, help="Events a second.")
@click.option("--profile", is_flag=True, help="Tell which functions took most; this slows them.")
def main(profile: bool, **size: float) -> None:
    """Measure the dashboard's frames; ends with 1 if those of a median run are not smooth."""
    from playwright.sync_api import sync_playwright

    longest: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, page, empty in frames(browser, Path(place), Size(**size), profile):  # type: ignore[arg-type]
            click.echo(f"{name:7} {page.told()}")
            click.echo(f"  empty {empty.told()}")
            for function, milliseconds in page.costs:
                click.echo(f"          {milliseconds:8.0f} ms {function}")
            longest.setdefault(name, []).append(page.longest)
        browser.close()
    medians = {name: statistics.median(each) for name, each in longest.items()}
    for name, median in medians.items():
        click.echo(f"{name:7} longest frame of the median run: {median:.0f} ms")
    sys.exit(max(medians.values()) > LONGEST)


if __name__ == "__main__":
    main()
