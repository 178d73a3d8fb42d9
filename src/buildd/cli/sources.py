"""`buildd sources`: where a workspace's tasks come from."""

from __future__ import annotations

from typing import Any

import click

from buildd.cli._render import Column
from buildd.cli._types import JsonObject
from buildd.cli._verb import Noun, Session, confirmed, given, paged, pass_session

_SOURCES = (
    Column("ID", lambda s: s.id),
    Column("TYPE", lambda s: s.type, rank=1),
    Column("NAME", lambda s: s.name, shrinks=True),
)


@click.group(cls=Noun)
def sources() -> None:
    """Where tasks come from."""


@sources.command()
@click.argument("workspace_id")
@click.argument("name")
@click.option(
    "--type", "kind", default="manual", show_default=True, help="manual, github, or a plugin's."
)
@click.option("--config", type=JsonObject(), help="What the type needs, a JSON object.")
@pass_session
def create(session: Session, workspace_id: str, name: str, kind: str, **fields: Any) -> None:
    """Say where tasks of a workspace come from."""
    with session.connect() as bd:
        made = bd.sources.create(workspace_id=workspace_id, type=kind, name=name, **given(**fields))
    session.show(made)


@sources.command("list")
@click.argument("workspace_id")
@paged
@pass_session
def list_(session: Session, workspace_id: str, limit: int, cursor: str | None) -> None:
    """List a workspace's sources."""
    with session.connect() as bd:
        found = bd.sources.list(workspace_id=workspace_id, limit=limit, **given(cursor=cursor))
    empty = f"No sources. Make one: buildd sources create {workspace_id} issues --type github"
    session.page(found, _SOURCES, limit, empty)


@sources.command()
@click.argument("source_id")
@click.option("--name", help="Its new name.")
@click.option("--config", type=JsonObject(), help="What the type needs, a JSON object.")
@pass_session
def update(session: Session, source_id: str, **fields: Any) -> None:
    """Change a source."""
    with session.connect() as bd:
        session.show(bd.sources.update(id=source_id, **given(**fields)))


@sources.command()
@click.argument("source_id")
@confirmed
@pass_session
def delete(session: Session, source_id: str) -> None:
    """Delete a source; the tasks that came from it stay."""
    with session.connect() as bd:
        session.said(bd.sources.delete(id=source_id), f"deleted {source_id}")
