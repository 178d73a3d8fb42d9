"""`buildd db`: what is done to the database itself, without a server."""

from __future__ import annotations

import json
from operator import itemgetter
from pathlib import Path

import click

from buildd.cli import _config
from buildd.cli._exits import ExitCode
from buildd.cli._render import Column, table
from buildd.cli._verb import Configured, F


def database_option(function: F) -> F:
    """`--database`, for what is done without a server."""
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
@database_option
def upgrade(database: str) -> None:
    """Make the tables, or bring them up to this version. A starting server does the same."""
    from buildd import store

    done = "was brought" if store.upgrade(database) else "is"
    click.echo(f"{_config.hide_password(database)} {done} up to date")


@db.command(cls=Configured)
@database_option
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


@db.command(cls=Configured)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@database_option
@click.option("--no-files", is_flag=True, help="Leave the bytes of files out.")
def backup(file: Path, database: str, *, no_files: bool) -> int:
    """Write everything into a new file, while servers go on working.

    It has every row as it was at one moment, with the bytes of files, and fits both kinds of
    database. Keep it as safe as the database: what keys are hashed with may stand in it.
    """
    from buildd import environment, store

    taken = store.backup(database, file, environment.blobs(), files=not no_files)
    size = f"{taken.size / 2**20:,.1f} MB"
    click.echo(f"{file}: {taken.rows:,} rows and {taken.files:,} files, {size}")
    for digest in taken.lost:
        click.echo(f"The bytes of a file were lost before: {digest}", err=True)
    return ExitCode.FAILURE if taken.lost else ExitCode.OK


@db.command(cls=Configured)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@database_option
@click.option("--force", is_flag=True, help="Replace what is in the database.")
def restore(file: Path, database: str, *, force: bool) -> int:
    """Put a backup into an empty database, of either kind, which no server uses now.

    All of it or nothing. Then the database is audited; the exit code is 1 if there is a difference.
    """
    from buildd import environment, store

    done = store.restore(database, file, environment.blobs(), force=force)
    moment = done.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    click.echo(
        f"{_config.hide_password(database)} is as it was at {moment}: "
        f"{done.rows:,} rows and {done.files:,} files, {len(done.differences)} differences"
    )
    click.echo("Keys that were revoked since then are valid again: revoke them again.", err=True)
    if done.differences:
        click.echo("What the differences are: buildd db audit", err=True)
    return ExitCode.FAILURE if done.differences else ExitCode.OK
