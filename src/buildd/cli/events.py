"""`buildd events`: what happened, and what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildd.cli._verb import Session, Verb, pass_session, workspace_option

if TYPE_CHECKING:
    from buildd.events import Event, EventType

QUIET = 2.0
"""Seconds without an event after which the kept ones count as read to their end."""


@click.command(cls=Verb)
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens from now on.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="SEQ",
    help="Begin after this event; 0 is the oldest kept (default: 0, with --follow: now).",
)
@workspace_option
@click.option("--task", metavar="TASK_ID", help="Only about this task.")
@click.option("--type", "types", multiple=True, help="Only this type; may be repeated.")
@pass_session
def events(  # noqa: PLR0913 - an argument for each option
    session: Session,
    *,
    follow: bool,
    after: int | None,
    workspace: str | None,
    task: str | None,
    types: tuple[str, ...],
) -> None:
    """Print what happened, or what happens.

    A line for each event; with --json, a JSON document on each line.
    """
    from buildd.cli._feed import Reader

    wanted = _types(types)
    with session.connect() as bd:
        reader = Reader(
            bd.events(
                after if after is not None or follow else 0,
                workspace_id=workspace,
                task_id=task,
                types=wanted,
            )
        )
        count = 0
        while (event := reader.next(QUIET)) is not None or follow:
            if event is not None:
                _print(session, event)
                count += 1
    if not count:
        click.echo("No such events. Wait for some: buildd events --follow", err=True)


def _print(session: Session, event: Event) -> None:
    from buildd.cli import _feed, _render

    if session.json:
        _render.json_line(event)
    else:
        _render.line(_feed.line_of(event))


def _types(names: tuple[str, ...]) -> set[EventType] | None:
    from buildd.events import EventType

    known = [each.value for each in EventType]
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no event type {name!r}; there are {', '.join(known)}")
    return {EventType(name) for name in names} or None
