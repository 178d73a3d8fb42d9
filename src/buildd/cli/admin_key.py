"""`buildd admin-key`: administrators' keys, made in the database itself or through a server."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import click

from buildd.cli import _config
from buildd.cli._verb import Session, Verb, given
from buildd.cli.database import database_option
from buildd.cli.keys import COLUMNS, overlap, terms
from buildd.scopes import Scope

if TYPE_CHECKING:
    from buildd.client import Client
    from buildd.models import NewKey

_MOST = 200
_GOES_WITH: dict[str, AbstractSet[str]] = {
    "listing": frozenset(),
    "revoke": frozenset(),
    "rotate": {"overlap"},
    "": {"name", "scopes", "expires_in"},
}
"""Which options go with which other thing to do; without any, a key is made."""


@click.command("admin-key", cls=Verb)
@database_option
@terms(Scope)
@click.option("--list", "listing", is_flag=True, help="List the keys, instead of making one.")
@click.option("--rotate", metavar="KEY_ID", help="Replace this key by a new one.")
@overlap
@click.option("--revoke", metavar="KEY_ID", help="Make this key useless, instead of making one.")
@click.pass_context
def admin_key(ctx: click.Context, /, database: str, **options: Any) -> None:
    """Make an administrator's key, shown this once.

    It is made in the database if one is named (by --database or a setting), and otherwise through
    the server, for which you need an administrator's key already.
    """
    session: Session = ctx.obj
    _refuse_to_mix(ctx)
    if _is_flag(ctx, "database") and _is_flag(ctx, "server"):
        raise click.UsageError("give --database or --server, not both", ctx)
    named = session.settings.found["database"].source != _config.DEFAULT
    if _is_flag(ctx, "database") or (named and not _is_flag(ctx, "server")):
        session.server = database
    with session.connect() as bd:
        if options["revoke"] is not None:
            gone = bd.accounts.revoke_admin_key(id=options["revoke"])
            session.said(gone, f"revoked {gone.id}")
        elif options["listing"]:
            found = bd.accounts.admin_keys(limit=_MOST)
            session.table(found, COLUMNS, "No keys. Make one: buildd admin-key")
        else:
            _show(session, _made(bd, options))


def _made(bd: Client, options: dict[str, Any]) -> NewKey:
    if options["rotate"] is not None:
        lasting = given(overlap_seconds=options["overlap"])
        return bd.accounts.rotate_admin_key(id=options["rotate"], **lasting)
    seconds = options["expires_in"]
    asked = given(name=options["name"], scopes=options["scopes"], expires_in_seconds=seconds)
    return bd.accounts.create_admin_key(**asked)


def _show(session: Session, made: NewKey) -> None:
    where = _config.hide_password(session.server)
    click.echo(f"An administrator's key, {made.id}, for {where}:", err=True)
    session.said(made, made.api_key)


def _refuse_to_mix(ctx: click.Context) -> None:
    """Raises `UsageError` for options that belong to different things to do."""
    every = {*_GOES_WITH, *set().union(*_GOES_WITH.values())}
    options = [each for each in ctx.command.params if each.name in every]
    named = {each.name: each.opts[0] for each in options if _is_flag(ctx, each.name or "")}
    deed = next((each for each in _GOES_WITH if each in named), "")
    other = next(
        (flag for name, flag in named.items() if name not in {deed, *_GOES_WITH[deed]}), ""
    )
    if other:
        beside = f"with {named[deed]}" if deed else "without --rotate"
        raise click.UsageError(f"{other} means nothing {beside}", ctx)


def _is_flag(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
