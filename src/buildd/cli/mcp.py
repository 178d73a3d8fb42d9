"""`buildd mcp`: the broker's tools for an agent that starts this process and speaks MCP with it."""

from __future__ import annotations

import importlib.util
import signal
from typing import Any

import click

from buildd.cli._verb import Configured, Session, no_key_option, server_option
from buildd.errors import ConfigError


class _Door(Configured):
    """A command on the broker that prints nothing of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [server_option(), no_key_option()]


@click.command(cls=_Door)
@click.pass_context
def mcp(ctx: click.Context, server: str) -> None:
    """Let Claude Code, or another agent, use buildd (MCP).

    The agent starts this command by itself, once it is in its configuration, and speaks with it on
    standard input and output. The key is in BUILDD_API_KEY or in the config file. A task that was
    claimed is kept as long as the process lives.
    """
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError("`buildd mcp` needs an extra: pip install 'buildd[mcp]'")
    import anyio

    from buildd.client import as_async
    from buildd.mcp.protocol import serve_stdio

    # Whoever waits for a line of standard input cannot be interrupted in any gentler way.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with Session(ctx.obj, server, json=False).connect() as client:
        anyio.run(serve_stdio, as_async(client))
