"""`make screenshots`: the pictures of the dashboard that the docs have, of an office full of agents."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildd_server.settings import Settings
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.pictures import month, today
from tests.pictures.camera import Door, shots, take
from tests.pictures.office import Office, opened
from tests.server.serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCS = Path(__file__).parents[2] / "docs" / "images" / "dashboard"


@click.command()
@click.argument("names", nargs=-1)
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=DOCS)
@click.option(
    "--serve", is_flag=True, help="Take none, but serve the office until Enter is pressed."
)
def main(names: tuple[str, ...], into: Path, *, serve: bool) -> None:
    """Take all pictures, or those with these NAMES."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, _served(Path(directory)) as (office, url):
        if serve:
            click.prompt(f"{url}, key {office.key}: Enter ends it", default="", show_default=False)
            return
        with _browser() as browser:
            for shot in shots(office.bd):
                if not names or shot.name in names:
                    path = take(browser, Door(url, office.key), shot, into)
                    click.echo(f"{path.name}: {path.stat().st_size // 1000} kB")


@contextmanager
def _served(directory: Path) -> Iterator[tuple[Office, str]]:
    """The office at work, and its server's URL."""
    database = f"sqlite:///{directory / 'buildd.db'}"
    with opened(database) as office:
        month.play(office)
        today.play(office)
        with serving(office.broker, Settings(database=database, rate_limit=0)) as served:
            # The page would believe the server's clock, which is the machine's and not the office's.
            served.server.config.date_header = False
            served.server.server_state.default_headers = []
            yield office, served.url


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


if __name__ == "__main__":
    main()
