"""`buildd version`, `buildd config` and `buildd help`: what buildd says about itself."""

from __future__ import annotations

import json
from operator import itemgetter

import click

from buildd.cli import _config
from buildd.cli._exits import MEANING
from buildd.cli._render import Column, line
from buildd.cli._verb import Configured


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(*, as_json: bool) -> None:
    """Show the version of buildd."""
    import buildd

    installed = buildd.__version__
    click.echo(json.dumps({"version": installed}) if as_json else f"buildd {installed}")


@click.group()
def config() -> None:
    """The settings, and where each comes from."""


@config.command(cls=Configured)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(settings: _config.Settings, *, as_json: bool) -> None:
    """Show each setting with its source. Keys are masked."""
    rows = [
        {"name": each.name, "value": _config.masked(each, found.value), "source": found.source}
        for each in _config.SETTINGS
        if (found := settings.found.get(each.name))
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from buildd.cli._render import table

    table(rows, [Column(name.upper(), itemgetter(name)) for name in ("name", "value", "source")])
    unset = [each.variable for each in _config.SETTINGS if each.name not in settings.found]
    click.echo(f"Not set: {', '.join(unset)}", err=True)


@click.command("help")
@click.argument("topic", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Help on a command, or on a topic: exit-codes, settings."""
    if topic == ("exit-codes",):
        for code, meaning in MEANING.items():
            line(f"{code:>4}  {meaning}")
    elif topic == ("settings",):
        _settings()
    else:
        root = ctx.find_root()
        command, context = root.command, root
        for name in topic:
            command, context = _below(command, context, name)
        click.echo(command.get_help(context))


def _below(
    command: click.Command, context: click.Context, name: str
) -> tuple[click.Command, click.Context]:
    if not isinstance(command, click.Group):
        raise click.UsageError(f"{context.command_path!r} has no commands of its own")
    found = command.resolve_command(context, [name])[1] or command
    return found, click.Context(found, info_name=name, parent=context)


def _settings() -> None:
    line(
        "Flags come first, then the environment, .env in the working directory, and the config file"
    )
    line(f"{_config.config_file()}. Keys are never taken as flags, and a key from")
    line("elsewhere is not sent to a remote server that only .env names.")
    line("")
    for each in _config.SETTINGS:
        line(f"  {each.variable:<24} {each.name:<17} {each.meaning}")
    line("")
    line("DATABASE_URL is read when nothing else names the database.")
