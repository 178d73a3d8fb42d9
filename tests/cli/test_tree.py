"""The tree of commands: everything in it is documented, and prints JSON if it prints data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from buildd.cli import _app
from buildd.cli._app import COMMANDS, root
from tests.cli.conftest import Cli

WITHOUT_DATA = {"mcp", "agent attach", "agent report", "agent say", "help"}
WITHOUT_DATA |= {f"db {verb}" for verb in ("backup", "restore", "upgrade")}


def leaves(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    names = COMMANDS if command is root else command.list_commands(context)
    for name in names:
        below = command.get_command(context, name)
        assert below is not None
        yield from leaves(below, (*path, name))


TREE = dict(leaves(root))


@pytest.mark.parametrize("path", TREE)
def test_every_command_says_what_it_does(path: str) -> None:
    command = TREE[path]
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden and option.name != "status":
            assert option.help or option.metavar or isinstance(option.type, click.Choice), (
                option.name
            )
    done = CliRunner().invoke(root, [*path.split(), "--help"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("path", sorted(set(TREE) - WITHOUT_DATA))
def test_every_command_that_prints_data_prints_json(path: str) -> None:
    flags = {flag for option in TREE[path].params for flag in option.opts}
    assert "--json" in flags


def test_the_short_helps_of_nouns_agree() -> None:
    for name, summary in COMMANDS.items():
        command = root.get_command(click.Context(root), name)
        assert command is not None
        assert (command.help or "").splitlines()[0] == summary


def test_commands_of_other_packages_are_listed_without_being_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_app, "added", lambda: {"ship": "not_there.at_all:ship"})
    done = CliRunner().invoke(root, ["--help"])
    assert "ship        From not_there.at_all:ship." in done.output


def test_commands_of_other_packages_find_the_settings_in_the_environment(
    cli: Cli, tmp_path: Path
) -> None:
    package = tmp_path / "ship-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: ship\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[buildd.commands]\nship = ship:ship\n")
    (tmp_path / "ship.py").write_text(
        "import click\n"
        "from buildd.errors import ConfigError\n"
        "@click.command()\n"
        "@click.option('--port', envvar='BUILDD_PORT')\n"
        "def ship(port):\n"
        "    if port == '0': raise ConfigError('port 0 is none')\n"
        "    click.echo(f'port {port}')\n"
    )
    (cli.directory / ".env").write_text("BUILDD_PORT=4711\n")
    cli.environ["PYTHONPATH"] = f"{tmp_path}:{cli.environ['PYTHONPATH']}"
    assert cli.ok("ship") == "port 4711\n"
    assert cli.ok("ship", "--port", "1") == "port 1\n"
    assert cli.error(2, "ship", "--port", "0") == "port 0 is none"
