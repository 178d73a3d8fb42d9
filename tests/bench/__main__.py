"""`python -m tests.bench`: measure buildd beside its peers and beside what the machine can do at most.

Each row prints its ratios with the goals. Ends with 1 if something could not be measured, not if a
goal is missed: what it says depends on the machine, and people judge it.
"""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import click

from tests.bench.comparing import Measured, measured
from tests.bench.earlier import form, taken
from tests.bench.machine import described
from tests.bench.report import as_json, as_text, write_page
from tests.bench.rows import (
    batches,
    depth,
    dispatch,
    files,
    fleet,
    lifecycle,
    starting,
    streams,
    two_servers,
)
from tests.bench.stage import ROOT, Stage, check_peers

ROWS = {
    each.ROW.number: each.ROW
    for each in (lifecycle, batches, dispatch, depth, fleet, streams, starting, two_servers, files)
}
PAGE = ROOT / "docs" / "performance.md"


def _numbers(_context: click.Context, _option: click.Parameter, given: str) -> list[int]:
    try:
        wanted = [int(each) for each in given.split(",")] if given else list(ROWS)
    except ValueError:
        wanted = [0]
    if not set(wanted) <= ROWS.keys():
        raise click.BadParameter(f"must be numbers of {', '.join(map(str, ROWS))}, with commas")
    return wanted


@click.command()
@click.option("--rows", callback=_numbers, default="", help="Only these, as 1,3.")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Turns of each.")
@click.option("--short", is_flag=True, help="One small turn: shows that all of it works.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write every figure there.")
@click.option(
    "--from",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Take the rows of this --json of the same revision instead of measuring them.",
)
@click.option("--write", is_flag=True, help="Put table and plot into docs/performance.md.")
def main(
    *,
    rows: list[int],
    runs: int,
    short: bool,
    to: Path | None,
    files: tuple[Path, ...],
    write: bool,
) -> None:
    """Measure."""
    if write and (short or runs < 5 or set(rows) != ROWS.keys()):
        raise click.UsageError("--write needs all rows, in full, and at least 5 runs")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for ten thousand agents
    check_peers()
    with (
        tempfile.TemporaryDirectory(prefix="buildd-bench-") as directory,
        closing(Stage(Path(directory), short=short)) as stage,
    ):
        there, facts = taken(files, ROWS, described(stage, form(runs, short=short)))
        click.echo("\n".join(f"{name}: {value}" for name, value in facts.items()))
        left = [number for number in rows if number not in {each.row.number for each in there}]
        new = [_told(number, stage, 1 if short else runs) for number in left]
    found = sorted([*there, *new], key=lambda each: each.row.number)
    if to is not None:
        to.write_text(as_json(found, facts))
    if write:
        write_page(PAGE, found, facts)


def _told(number: int, stage: Stage, runs: int) -> Measured:
    began = time.monotonic()
    found = measured(ROWS[number], stage, runs)
    click.echo(f"{as_text(found)}\n   in {time.monotonic() - began:.0f} s")
    return found


if __name__ == "__main__":
    main()
