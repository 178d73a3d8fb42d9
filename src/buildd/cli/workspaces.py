"""`buildd workspaces`: repositories with their tasks."""

from __future__ import annotations

from typing import Any

import click

from buildd.cli._render import Column
from buildd.cli._types import JsonObject, Money
from buildd.cli._verb import (
    F,
    Noun,
    Session,
    clearable,
    cleared,
    confirmed,
    given,
    paged,
    pass_session,
)

_WORKSPACES = (
    Column("ID", lambda w: w.id),
    Column("NAME", lambda w: w.name, shrinks=True),
    Column("REPOSITORY", lambda w: w.local_path or w.repo, shrinks=True, rank=1),
)


def _fields(function: F) -> F:
    for flag, kind, meaning in (
        ("--max-cost-per-day", Money(), "US dollars per UTC day, all accounts together."),
        (
            "--max-concurrent-workers",
            click.IntRange(min=1),
            "Tasks at once, all accounts together.",
        ),
        ("--memory", JsonObject(), "What agents should know of it, a JSON object."),
        ("--local-path", click.STRING, "A checkout on the agents' machines, used where it exists."),
        ("--repo", click.STRING, "What `git clone` takes."),
    ):
        function = click.option(flag, type=kind, help=meaning)(function)
    return function


@click.group(cls=Noun)
def workspaces() -> None:
    """Repositories with their tasks."""


@workspaces.command()
@click.argument("name")
@_fields
@pass_session
def create(session: Session, name: str, **fields: Any) -> None:
    """Make a workspace."""
    with session.connect() as bd:
        made = bd.workspaces.create(name=name, **given(**fields))
    session.show(made)
    if not session.json:
        click.echo(
            f'Put a task in:\n  buildd tasks create "Fix the login test" --workspace {made.id}',
            err=True,
        )


@workspaces.command("list")
@paged
@pass_session
def list_(session: Session, limit: int, cursor: str | None) -> None:
    """List the workspaces you may see."""
    with session.connect() as bd:
        found = bd.workspaces.list(limit=limit, **given(cursor=cursor))
    empty = (
        "No workspaces. Make one: buildd workspaces create shop --repo https://github.com/acme/shop"
    )
    session.page(found, _WORKSPACES, limit, empty)


@workspaces.command()
@click.argument("workspace_id")
@pass_session
def show(session: Session, workspace_id: str) -> None:
    """Show a workspace."""
    with session.connect() as bd:
        session.show(bd.workspaces.get(id=workspace_id))


@workspaces.command()
@click.argument("workspace_id")
@click.option("--name", help="Its new name.")
@_fields
@clearable("repo", "local-path", "max-concurrent-workers", "max-cost-per-day")
@pass_session
def update(session: Session, workspace_id: str, clear: tuple[str, ...], **fields: Any) -> None:
    """Change a workspace."""
    with session.connect() as bd:
        session.show(bd.workspaces.update(id=workspace_id, **given(**fields), **cleared(clear)))


@workspaces.command()
@click.argument("workspace_id")
@confirmed
@pass_session
def delete(session: Session, workspace_id: str) -> None:
    """Delete a workspace, with its tasks and their history."""
    with session.connect() as bd:
        session.said(bd.workspaces.delete(id=workspace_id), f"deleted {workspace_id}")
