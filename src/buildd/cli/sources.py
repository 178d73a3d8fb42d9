"""`buildd sources`: where a workspace's tasks come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildd.cli._render import Column
from buildd.cli._types import JsonObject
from buildd.cli._verb import (
    Noun,
    Session,
    confirmed,
    given,
    needed,
    paged,
    pass_session,
    workspace_option,
)
from buildd.errors import BuilddError

if TYPE_CHECKING:
    from buildd.client import Client
    from buildd.models import Source
    from buildd.plugins.sources import Synced

MOST_TOLD = 5
"""How many things that went wrong are told at once."""

_WEBHOOK = (
    "Add it to the repository, with content type application/json and these events: Issues, "
    "Issue comments, Pull requests, Check suites, Workflow runs."
)

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
@click.option("--type", "kind", default="manual", show_default=True, help="manual, or a plugin's.")
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
    empty = f"No sources. Make one: buildd sources create {workspace_id} issues --type TYPE"
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
@click.option("--rotate", is_flag=True, help="Make a new one; the one before holds too, for now.")
@click.option("--end-rotation", is_flag=True, help="Let only the newest hold.")
@pass_session
def secret(session: Session, source_id: str, *, rotate: bool, end_rotation: bool) -> None:
    """Show the secret of a source's webhook, and what else GitHub asks for to send it."""
    with session.connect() as bd:
        shown = bd.sources.secret(id=source_id, rotate=rotate, end_rotation=end_rotation)
    session.show(shown)
    if not session.json:
        click.echo(_WEBHOOK, err=True)
    if shown.payload_url is None:
        click.echo("The payload path is below the server's URL: set BUILDD_PUBLIC_URL.", err=True)


@sources.command()
@click.argument("source_id", required=False)
@workspace_option
@pass_session
def sync(session: Session, source_id: str | None, workspace: str | None) -> None:
    """Have a task for each item of a source, or of every source of the workspace.

    Done again it makes no second task; while nobody has taken a task, its title, description, URL
    and context follow its item. The source's plugin has to be installed here, and what the
    configuration names as {"env": "NAME"} is read from the environment here.
    """
    from buildd.cli import _render

    with session.connect() as bd:
        found = [bd.sources.get(id=source_id)] if source_id else _syncable(bd, needed(workspace))
        done = _sync(bd, found)
    if session.json:
        _render.document(done)
    else:
        for row, each in zip(found, done, strict=True):
            figures = f"{each.created} created, {each.updated} updated, {each.unchanged} unchanged"
            figures += f", {each.cancelled} cancelled" if each.cancelled else ""
            _render.line(f"{row.id} {row.name}: {figures}")
    _complain(done)


@sources.command()
@click.argument("source_id")
@confirmed
@pass_session
def delete(session: Session, source_id: str) -> None:
    """Delete a source; the tasks that came from it stay."""
    with session.connect() as bd:
        session.said(bd.sources.delete(id=source_id), f"deleted {source_id}")


def _syncable(bd: Client, workspace_id: str) -> list[Source]:
    from buildd.operations import MAX_PAGE
    from buildd.plugins.sources import MANUAL

    found = bd.sources.list(workspace_id=workspace_id, limit=MAX_PAGE)
    return [each for each in found if each.type != MANUAL]


def _sync(bd: Client, found: list[Source]) -> list[Synced]:
    import anyio

    from buildd import plugins
    from buildd.client import as_async
    from buildd.plugins.sources import Synced, source_of, sync

    registry = plugins.load()

    async def in_turn() -> list[Synced]:
        done = []
        async with as_async(bd) as client:
            for row in found:
                try:
                    source = source_of(row, registry)
                except BuilddError as problem:
                    done.append(Synced(source_id=row.id, problem=problem.message))
                else:
                    done.append(await sync(client, row, source))
        return done

    return anyio.run(in_turn)


def _complain(done: list[Synced]) -> None:
    """End with what went wrong, if anything did; the rest has been done all the same."""
    wrong = [f"{each.source_id}: {line}" for each in done for line in each.wrong]
    if len(wrong) > MOST_TOLD:
        wrong[MOST_TOLD:] = [f"and {len(wrong) - MOST_TOLD} more"]
    if wrong:
        raise BuilddError("; ".join(wrong))
