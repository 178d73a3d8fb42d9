"""`buildd db` and `buildd admin-key`: what is done to the database itself, without a server."""

from __future__ import annotations

import json
from operator import itemgetter

import click

from buildd.cli import _config
from buildd.cli._exits import ExitCode
from buildd.cli._render import Column, table
from buildd.cli._verb import Configured, F, Session, Verb


def _database(function: F) -> F:
    return click.option(
        "--database",
        metavar="URL",
        envvar="BUILDD_DATABASE",
        default=_config.DEFAULT_DATABASE,
        show_default=True,
        show_envvar=True,
        help="sqlite:///FILE or postgresql://… (DATABASE_URL is read too).",
    )(function)


@click.group()
def db() -> None:
    """The database."""


@db.command(cls=Configured)
@_database
def upgrade(database: str) -> None:
    """Make the tables, or bring them up to this version. A starting server does the same."""
    from buildd import store

    done = "was brought" if store.upgrade(database) else "is"
    click.echo(f"{_config.hide_password(database)} {done} up to date")


@db.command(cls=Configured)
@_database
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(database: str, *, as_json: bool) -> int:
    """Compare every counter with what it counts, and every file with its bytes.

    A counter that is wrong is a fault of buildd. Changes nothing, and may run beside a server. The
    exit code is 1 if there is a difference.
    """
    from buildd import environment, store

    found = [each._asdict() for each in store.audit(database, environment.blobs())]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif found:
        table(found, [Column(name.upper(), itemgetter(name)) for name in found[0]])
        lost = sum(each["check"] == store.LOST for each in found)
        if lost:
            click.echo("Bytes of files are gone: look into your backups of BUILDD_BLOBS.", err=True)
        if lost < len(found):
            click.echo("Please report this: a counter of buildd is wrong.", err=True)
    else:
        click.echo(f"{_config.hide_password(database)}: no differences")
    return ExitCode.FAILURE if found else ExitCode.OK


@click.command("admin-key", cls=Verb)
@_database
@click.option("--revoke", metavar="KEY_ID", help="Make this key useless, instead of making one.")
@click.pass_context
def admin_key(ctx: click.Context, database: str, revoke: str | None) -> None:
    """Make an administrator's key, shown this once.

    It is made in the database if one is named (by --database or a setting), and otherwise through
    the server, for which you need an administrator's key already.
    """
    session: Session = ctx.obj
    if _is_flag(ctx, "database") and _is_flag(ctx, "server"):
        raise click.UsageError("give --database or --server, not both", ctx)
    named = session.settings.found["database"].source != _config.DEFAULT
    if _is_flag(ctx, "database") or (named and not _is_flag(ctx, "server")):
        session.server = database
    with session.connect() as bd:
        if revoke is not None:
            session.said(bd.accounts.revoke_admin_key(id=revoke), f"revoked {revoke}")
            return
        made = bd.accounts.create_admin_key()
    where = _config.hide_password(session.server)
    click.echo(f"An administrator's key, {made.id}, for {where}:", err=True)
    session.said(made, made.api_key)


def _is_flag(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
