"""`python -m tests.faults`: die at every crash point, on SQLite and on Postgres at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from tests.postgres import Postgres


@click.command()
@click.option("--share", default=1, show_default=True, help="Die at every N-th place only.")
@click.option("--seed", default=None, help="Which of them; by default the day's.")
def main(share: int, seed: str | None) -> None:
    """Ends with 1 if anything was lost."""
    chosen = ["--share", str(share), *(["--seed", seed] if seed else [])]
    with places() as where:
        running = [campaign(name, [*options, *chosen]) for name, options in where.items()]
        for each in running:
            said, complained = each.communicate()
            click.echo(said + complained, nl=False)
    sys.exit(any(each.returncode for each in running))


@contextmanager
def places() -> Iterator[dict[str, list[str]]]:
    """Where the two campaigns may work, as options."""
    with (
        tempfile.TemporaryDirectory(prefix="buildd-faults-") as directory,
        closing(Postgres()) as postgres,
    ):
        postgres.sql("CREATE DATABASE crash_points")
        yield {
            "sqlite": ["--directory", directory],
            "postgres": ["--url", postgres.url("crash_points")],
        }


def campaign(database: str, options: list[str]) -> subprocess.Popen[str]:
    """In a process of its own, because it forks."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.crash", database, *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main()
