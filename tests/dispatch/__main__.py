"""`python -m tests.dispatch`: campaigns of launches, and how long an agent takes to be at work.

Ends with 1 if anything was left over, started twice or not done. The same seed chooses the same faults.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from tests.dispatch.figures import Figures
from tests.dispatch.places import PLACES
from tests.dispatch.processes import killed_server, unlucky_calls
from tests.dispatch.scripted import scripted
from tests.patience import until
from tests.postgres import Postgres


@click.group(invoke_without_command=True)
@click.option("--launches", default=100, show_default=True, help="Tasks in each campaign.")
@click.option("--kills", default=10, show_default=True, help="How often the server is killed.")
@click.option("--seed", default=1, show_default=True, help="Chooses the faults.")
@click.pass_context
def main(context: click.Context, launches: int, kills: int, seed: int) -> None:
    """Start many agents while every call fails, and count what is left over or was started twice."""
    if context.invoked_subcommand is not None:
        return
    logging.disable()  # what goes wrong here was made to
    clean = True
    for figures in _campaigns(launches, kills, seed):
        click.echo(figures)
        clean = clean and figures.clean
    sys.exit(not clean)


def _campaigns(launches: int, kills: int, seed: int) -> Iterator[Figures]:
    with tempfile.TemporaryDirectory(prefix="buildd-dispatch-") as name:
        at = Path(name)
        yield scripted(f"sqlite:///{at}/scripted.db", launches, seed)
        postgres = Postgres()
        try:
            postgres.sql("CREATE DATABASE dispatch")
            yield scripted(postgres.url("dispatch"), launches, seed)
        finally:
            postgres.close()
        for part in ("calls", "kills"):
            (at / part).mkdir()
        yield unlucky_calls(at / "calls", launches, seed)
        yield killed_server(at / "kills", max(1, launches // 4), kills, seed)


@main.command("figures")
@click.option("--tasks", default=10, show_default=True, help="Tasks for each runner.")
def seconds_to_work(tasks: int) -> None:
    """Measure, for each runner, the time from a task's creation to its agent at work on it."""
    for name, place in PLACES.items():
        with (
            tempfile.TemporaryDirectory(prefix="buildd-figures-") as at,
            place(Path(at) / "here") as (made, workspace_id),
        ):
            measured = []
            for number in range(tasks):
                task = made.bd.tasks.create(workspace_id=workspace_id, title=f"work {number}")
                until(lambda task=task: made.bd.tasks.get(id=task.id).result is not None)  # type: ignore[misc]
                measured.append(made.seconds_to_work(task))
                made.quiet()
        click.echo(
            f"{name}: task created → agent at work: median {statistics.median(measured):.2f} s,"
            f" most {max(measured):.2f} s, of {tasks}"
        )


if __name__ == "__main__":
    main()
