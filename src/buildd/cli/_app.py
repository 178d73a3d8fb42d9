"""The tree of commands. A command's module is imported when the command is used, not before."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from buildd.cli import _config
from buildd.cli._added import GROUP, added

COMMANDS = {
    "agent": "What a program says to the agent that runs it.",
    "accounts": "Who claims: accounts, their keys, and where they may work.",
    "admin-key": "Make an administrator's key, shown this once.",
    "agents": "The processes that ask for work.",
    "artifacts": "What attempts made, as files.",
    "audit": "Who did what.",
    "config": "The settings, and where each comes from.",
    "db": "The database.",
    "events": "Print what happened, or what happens.",
    "help": "Help on a command, or on a topic: exit-codes, settings.",
    "hooks": "URLs that are called when something happens.",
    "launches": "What pools started.",
    "mcp": "Let Claude Code, or another agent, use buildd (MCP).",
    "plugins": "The plugins that are installed here.",
    "pools": "Where agents are started when there is work for them.",
    "schedules": "Tasks that come again.",
    "sources": "Where tasks come from.",
    "spend": "What was spent, by day, account, workspace or task.",
    "tasks": "The work.",
    "version": "Show the version of buildd.",
    "workers": "The attempts at tasks.",
    "workspaces": "Repositories with their tasks.",
    "worktrees": "What attempts left on this machine.",
}
_PLACES = {"admin-key": "admin_key:admin_key", "db": "database:db", "help": "about:help_"} | {
    "agent": "program:agent",
    "config": "about:config",
    "version": "about:version",
}
_SHIPPED = {
    "demo": "See it all work, on an empty machine.",
    "server": "Run the server.",
    "vm": "Machines whose agent is always on.",
}


class Root(click.Group):
    """The nouns known here, and those that installed packages add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names; those of other packages come from their metadata alone."""
        return sorted({*COMMANDS, *added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name in COMMANDS:
            module, _, name = _PLACES.get(cmd_name, f"{cmd_name}:{cmd_name}").partition(":")
            return _checked(getattr(import_module(f"buildd.cli.{module}"), name), cmd_name)
        place = added().get(cmd_name)
        return _checked(_loaded(cmd_name, place), cmd_name) if place else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest one."""
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS and name not in added():
            import difflib

            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {name!r}{meant}", ctx)
        if name in COMMANDS and sys.stdout is None:
            raise click.ClickException("standard output is closed: nobody would see the answer")
        if name not in COMMANDS and not name.startswith("-"):
            from buildd.cli._verb import asks_for_help

            lenient = asks_for_help(args, resilient_parsing=ctx.resilient_parsing)
            _config.prepare(lenient=lenient)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        rows = [
            (name, COMMANDS.get(name) or _SHIPPED.get(name) or f"From {added()[name]}.")
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _loaded(name: str, place: str) -> object:
    from importlib.metadata import EntryPoint

    found: object = EntryPoint(name, place, GROUP).load()
    return found


def _checked(command: object, name: str) -> click.Command:
    if not isinstance(command, click.Command):
        raise click.ClickException(f"{name}: the entry point is not a click command")
    return command


def _version(ctx: click.Context, _: click.Parameter, wanted: object) -> None:
    if wanted and not ctx.resilient_parsing:
        import buildd

        click.echo(f"buildd {buildd.__version__}")
        ctx.exit()


@click.group(
    cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version.",
)
def root() -> None:
    """A task broker for AI coding agents.

    Start with `buildd demo`, or with `buildd server` and `buildd help settings`.
    """
