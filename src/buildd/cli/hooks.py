"""`buildd hooks`: URLs that are called when something happens."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from buildd.cli._render import Column, age
from buildd.cli._types import Duration
from buildd.cli._verb import (
    F,
    Noun,
    Session,
    confirmed,
    given,
    paged,
    pass_session,
    text_or_stdin,
    workspace_option,
)
from buildd.telling import HookType

if TYPE_CHECKING:
    from buildd.models import Delivery, Hook

_DAY = 86_400
_TYPES = [each.value for each in HookType]


def _state(hook: Hook) -> str:
    if not hook.active:
        return "disabled" if hook.disabled_reason else "off"
    return "failing" if hook.failing_since else "active"


def _answer(delivery: Delivery) -> str:
    return delivery.error or str(delivery.response_status or "")


_HOOKS = (
    Column("ID", lambda hook: hook.id),
    Column("STATE", _state, rank=1),
    # The whole of a URL is often a secret.
    Column("HOST", lambda hook: urlsplit(hook.url).hostname, rank=2),
    Column("WORKSPACE", lambda hook: hook.workspace_id or "all", rank=4),
    Column("TYPES", lambda hook: ",".join(hook.types), rank=5),
    Column(
        "ERROR", lambda hook: hook.disabled_reason or hook.last_error or "", shrinks=True, rank=3
    ),
)
_DELIVERIES = (
    Column("ID", lambda each: each.id),
    Column("STATUS", lambda each: each.status.value, rank=1),
    Column("TYPE", lambda each: each.type, rank=2),
    Column("ATTEMPTS", lambda each: each.attempts, rank=4),
    Column("AGE", lambda each: age(each.created_at), rank=3),
    Column("ANSWER", _answer, shrinks=True, rank=5),
)


def _types(function: F) -> F:
    return click.option(
        "--type",
        "types",
        type=click.Choice(_TYPES),
        multiple=True,
        help="What to tell; may be repeated (new hooks: all of it).",
    )(function)


@click.group(cls=Noun)
def hooks() -> None:
    """URLs that are called when something happens."""


@hooks.command()
@click.argument("url")
@_types
@workspace_option
@click.option("--disabled", is_flag=True, help="Tell it nothing yet.")
@pass_session
def create(
    session: Session, url: str, types: tuple[str, ...], workspace: str | None, *, disabled: bool
) -> None:
    """Have a URL called; `-` reads it from standard input. Its secret is shown this once."""
    fields = given(types=list(types) or None, workspace_id=workspace)
    with session.connect() as bd:
        made = bd.hooks.create(url=text_or_stdin(url).strip(), active=not disabled, **fields)
    session.show(made)
    if not session.json:
        click.echo(
            f"The secret is shown only now. Try the hook:\n  buildd hooks test {made.id}", err=True
        )


@hooks.command("list")
@workspace_option
@paged
@pass_session
def list_(session: Session, limit: int, workspace: str | None, cursor: str | None) -> None:
    """List hooks, and how they do."""
    with session.connect() as bd:
        found = bd.hooks.list(limit=limit, **given(workspace_id=workspace, cursor=cursor))
    empty = "No hooks. Make one: buildd hooks create https://example.com/buildd"
    session.page(found, _HOOKS, limit, empty)


@hooks.command()
@click.argument("hook_id")
@pass_session
def show(session: Session, hook_id: str) -> None:
    """Show a hook: what it is told, and how it does."""
    with session.connect() as bd:
        session.show(bd.hooks.get(id=hook_id))


@hooks.command()
@click.argument("hook_id")
@click.option("--url", help="Its new URL; `-` reads it from standard input.")
@_types
@click.option(
    "--enable/--disable", "active", default=None, help="Tell it from now on, or nothing more."
)
@pass_session
def update(
    session: Session, hook_id: str, url: str | None, types: tuple[str, ...], *, active: bool | None
) -> None:
    """Change a hook; enabled again, it begins anew."""
    there = None if url is None else text_or_stdin(url).strip()
    fields = given(url=there, types=list(types) or None, active=active)
    with session.connect() as bd:
        session.show(bd.hooks.update(id=hook_id, **fields))


@hooks.command()
@click.argument("hook_id")
@click.option(
    "--overlap",
    type=Duration(least=0, most=30 * _DAY),
    help="How long the old secret signs beside the new one [1d].",
)
@pass_session
def rotate(session: Session, hook_id: str, overlap: int | None) -> None:
    """Give a hook a new secret, shown this once."""
    with session.connect() as bd:
        session.show(bd.hooks.rotate(id=hook_id, **given(overlap_seconds=overlap)))


@hooks.command()
@click.argument("hook_id")
@pass_session
def test(session: Session, hook_id: str) -> None:
    """Send a hook a message of type `test`."""
    with session.connect() as bd:
        sent = bd.hooks.test(id=hook_id)
    session.said(sent, f"{sent.id} will be sent: buildd hooks deliveries {hook_id}")


@hooks.command()
@click.argument("hook_id")
@paged
@pass_session
def deliveries(session: Session, hook_id: str, limit: int, cursor: str | None) -> None:
    """List what a hook was told, or is still to be told."""
    with session.connect() as bd:
        found = bd.hooks.deliveries(hook_id=hook_id, limit=limit, **given(cursor=cursor))
    session.page(found, _DELIVERIES, limit, "It was told nothing yet.")


@hooks.command()
@click.argument("hook_id")
@click.argument("delivery_id")
@pass_session
def redeliver(session: Session, hook_id: str, delivery_id: str) -> None:
    """Send once more what was delivered or given up, under the same id."""
    with session.connect() as bd:
        sent = bd.hooks.redeliver(hook_id=hook_id, id=delivery_id)
    session.said(sent, f"{delivery_id} will be sent again")


@hooks.command()
@click.argument("hook_id")
@confirmed
@pass_session
def delete(session: Session, hook_id: str) -> None:
    """Delete a hook and its deliveries."""
    with session.connect() as bd:
        session.said(bd.hooks.delete(id=hook_id), f"deleted {hook_id}")
