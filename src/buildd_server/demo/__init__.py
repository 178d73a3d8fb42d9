"""`buildd demo`: a whole system at work on an empty machine, with no key and no network.

It survives a kill -9 of any of its processes: what it started is started again, and a demo that was
killed itself goes on from its directory.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from buildd_server.demo.show import Ending


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port of the demo's server.  [default: 3000, or a free one]",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to keep everything; a demo that was interrupted there goes on.  "
    "[default: $XDG_STATE_HOME/buildd-demo]",
)
def demo(port: int | None, directory: Path | None) -> None:
    """See it all work, on an empty machine.

    Starts a server on SQLite, makes a small git repository with six things to do, and has two
    agents do them, each on a branch of its own.
    """
    from buildd.errors import Unavailable
    from buildd_server.demo.show import run

    place = (directory or _default_directory()).resolve()
    try:
        ending = run(place, port)
    except OSError as problem:
        if problem.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise Unavailable(f"{problem.filename or place}: {problem.strerror}") from None
    raise SystemExit(_report(ending))


def _report(ending: Ending) -> int:
    for line in ending.lines:
        click.echo(line)
    return 0 if ending.complete else 1


def _default_directory() -> Path:
    home = os.environ.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local/state") / "buildd-demo"
