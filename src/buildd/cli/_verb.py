"""What all commands have in common: settings, `--server`, `--json`, a connection made late."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from buildd.cli import _config

if TYPE_CHECKING:
    from pydantic import BaseModel

    from buildd.cli._render import Column
    from buildd.client import Client

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Configured(click.Command):
    """A command whose options take their defaults from the settings of the same names."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the settings before the options; they are the context's object."""
        settings = _config.prepare(lenient=asks_for_help(args, **extra))
        extra |= {"obj": settings, "default_map": settings.default_map()}
        return super().make_context(info_name, args, parent, **extra)


class Verb(Configured):
    """A command on the broker: with `--server` and `--json`, and a `Session` for its callback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [server_option(), _json(), no_key_option()]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the callback with a session in place of the raw settings."""
        server, as_json = ctx.params.pop("server"), ctx.params.pop("json")
        ctx.obj = Session(ctx.obj, server, as_json)
        return super().invoke(ctx)


class Noun(click.Group):
    """A group of verbs."""

    command_class = Verb

    @property
    def group_class(self) -> type[click.Group]:  # type: ignore[override]
        """Groups below a noun are nouns too."""
        return Noun


@dataclass
class Session:
    """What a command works with: where the broker is, and how answers are shown."""

    settings: _config.Settings
    server: str
    json: bool

    def connect(self) -> Client:
        """The façade, on the server or database that the settings name."""
        import logging

        import buildd

        if os.environ.get("BUILDD_DEBUG") != "1":  # What goes wrong is told once, in one line.
            logging.getLogger("buildd").addHandler(logging.NullHandler())
        # Whoever opens a database is its owner; a key would only be one for some server.
        remote = _config.is_server(self.server)
        key = self.settings.key_for(self.server) if remote else None
        return buildd.connect(self.server, api_key=key)

    def show(self, thing: BaseModel) -> None:
        """Print one thing: every field that has a value."""
        from buildd.cli import _render

        _render.document(thing) if self.json else _render.card(thing)

    def table(self, things: Sequence[BaseModel], columns: Sequence[Column], empty: str) -> None:
        """Print a list; for people, one that is empty says what to do next."""
        from buildd.cli import _render

        if self.json:
            _render.document(things)
        elif things:
            _render.table(things, columns)
        else:
            click.echo(empty, err=True)

    def page(
        self, things: Sequence[Any], columns: Sequence[Column], limit: int, empty: str
    ) -> None:
        """Print a page of a list, and for people how to get the next one."""
        self.table(things, columns, empty)
        if len(things) == limit and not self.json:
            click.echo(f"There may be more: add --cursor {things[-1].id}", err=True)

    def said(self, thing: BaseModel, sentence: str) -> None:
        """Print what a verb did: a sentence, or the thing as it is now."""
        from buildd.cli import _render

        _render.document(thing) if self.json else _render.line(sentence)


def asks_for_help(arguments: Sequence[str], *, resilient_parsing: bool = False, **_: Any) -> bool:
    """Whether a command is only asked what it is, by a person or by a shell that completes it."""
    return resilient_parsing or bool({"-h", "--help"} & set(arguments))


def pass_session(function: Callable[..., R]) -> Callable[..., R]:
    """Hand the session to a verb's callback, before its options."""
    return click.pass_obj(function)


def text_or_stdin(argument: str) -> str:
    """An argument, or for `-` what standard input holds."""
    if argument != "-" or sys.stdin is None:
        return argument
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise click.UsageError("standard input is not UTF-8 text") from None


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given: an option that was left out is not sent at all."""
    return {name: value for name, value in fields.items() if value not in (None, ())}


def workspace_option(function: F) -> F:
    """`--workspace`, which may come from the settings."""
    return click.option(
        "--workspace",
        metavar="WS_ID",
        envvar="BUILDD_WORKSPACE",
        show_envvar=True,
        help="The workspace it is about.",
    )(function)


def needed(workspace: str | None) -> str:
    """The workspace of a command that cannot do without one."""
    if not workspace:
        raise click.UsageError(
            "which workspace? Give --workspace or set BUILDD_WORKSPACE; "
            "`buildd workspaces list` lists them",
        )
    return workspace


def idempotency_option(function: F) -> F:
    """`--idempotency-key`, for what must not be done twice."""
    return click.option(
        "--idempotency-key",
        metavar="KEY",
        help="Give the same key to send this again safely within a day: it is done once.",
    )(function)


def paged(function: F) -> F:
    """`--limit` and `--cursor` of a list."""
    cursor = click.option("--cursor", metavar="ID", help="Begin after this id, with older ones.")
    limit = click.option(
        "--limit",
        type=click.IntRange(1, 200),
        default=50,
        show_default=True,
        help="At most this many, newest first.",
    )
    return limit(cursor(function))


def clearable(*names: str) -> Callable[[F], F]:
    """`--clear`, for fields that can be made empty again."""
    option = click.option(
        "--clear",
        type=click.Choice(names),
        multiple=True,
        help="Make this field empty again; may be repeated.",
    )

    def decorate(function: F) -> F:
        @wraps(function)
        def checked(*args: Any, **fields: Any) -> Any:
            _refuse_to_clear_what_is_set(click.get_current_context())
            return function(*args, **fields)

        return cast("F", option(checked))

    return decorate


def _refuse_to_clear_what_is_set(ctx: click.Context) -> None:
    """Raises `UsageError` for a field that is to be empty and to have a value."""
    for name in ctx.params["clear"]:
        for option in setters(ctx.command, name):
            if ctx.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
                flag = option.opts[-1]
                raise click.UsageError(
                    f"give {flag} or --clear {name}, not both: {flag} replaces what was there", ctx
                )


def setters(command: click.Command, name: str) -> list[click.Parameter]:
    """The options that give a value to what `--clear` calls `name`."""
    field = name.replace("-", "_")
    names = {field, f"{field}_file", f"--{name}"}
    return [each for each in command.params if names & {each.name, *each.opts}]


def cleared(names: Iterable[str]) -> dict[str, Any]:
    """The fields that `--clear` named, as the changes they stand for."""
    return {name.replace("-", "_"): None for name in names}


def confirmed(function: F) -> F:
    """Ask before something is removed for good; without a terminal, `--yes` has to say so."""

    def check(ctx: click.Context, _: click.Parameter, yes: object) -> None:
        if yes or ctx.resilient_parsing:
            return
        if sys.stdin is None or not sys.stdin.isatty():
            raise click.UsageError("add --yes to delete without being asked", ctx)
        click.confirm("Delete it for good?", abort=True, err=True)

    return click.option(
        "--yes", is_flag=True, expose_value=False, callback=check, help="Do not ask."
    )(function)


def server_option() -> click.Option:
    """`--server`: where the broker is."""
    return click.Option(
        ["--server"],
        metavar="URL",
        envvar="BUILDD_SERVER",
        show_envvar=True,
        default=_config.DEFAULT_SERVER,
        show_default=True,
        help="The server, or a database URL (sqlite:///…, postgresql://…) to work on directly.",
    )


def _json() -> click.Option:
    return click.Option(["--json"], is_flag=True, help="Print the API's own JSON.")


def no_key_option() -> click.Option:
    """Refuses a key among the flags."""

    def refuse(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(
                "a key is not taken as a flag, where every process could read it: "
                "set BUILDD_API_KEY, or api_key in the config file",
                ctx,
            )

    return click.Option(
        ["--api-key"], hidden=True, expose_value=False, callback=refuse, is_eager=True
    )
