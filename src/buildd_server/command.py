"""`buildd server`, offered to the CLI through the entry-point group `buildd.commands`."""

from __future__ import annotations

import os

import click

from buildd_server.settings import DEFAULT_DATABASE, DEFAULT_HOST, DEFAULT_PORT, Settings


@click.command()
@click.option(
    "--host",
    envvar="BUILDD_HOST",
    default=DEFAULT_HOST,
    show_default=True,
    show_envvar=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    envvar="BUILDD_PORT",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    show_envvar=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--database",
    envvar=["BUILDD_DATABASE", "DATABASE_URL"],
    default=DEFAULT_DATABASE,
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="sqlite:///FILE or postgresql://…; made or upgraded at start.",
)
def server(host: str, port: int, database: str) -> None:
    """Run the server.

    Secrets come from the environment only: BUILDD_ADMIN_KEY (needed on any address that other
    machines may reach) and BUILDD_SECRET. BUILDD_LEASE_TTL is how many seconds a silent agent
    keeps its task. BUILDD_PUBLIC_URL is the URL at which agents that pools start elsewhere reach
    the server. The log goes to standard error: BUILDD_LOG_LEVEL is debug, info, warning or error,
    BUILDD_LOG_FORMAT json or text (text at a terminal, else json, if it is not set).
    """
    settings = Settings.of(os.environ, host=host, port=port, database=database)
    # The web framework and the database load only here, not for `buildd --help`.
    from buildd_server.serving import serve

    serve(settings, say=click.echo)
