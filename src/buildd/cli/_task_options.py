"""What a task is made of, as options: for tasks, and for the schedules that make them."""

from __future__ import annotations

from typing import Any

import click

from buildd.cli._types import JsonObject, Moment, Money
from buildd.cli._verb import F, given, text_or_stdin
from buildd.routing import RunnerPreference

RUNNERS = click.Choice([each.value for each in RunnerPreference])
_OPTIONS: tuple[tuple[str, click.ParamType[Any], str], ...] = (
    ("--runner", RUNNERS, "Which type of account it is for (new tasks: any)."),
    ("--priority", click.IntRange(-1000, 1000), "Higher goes first (new tasks: 0)."),
    ("--context", JsonObject(), "What an executor should know besides, a JSON object."),
    ("--max-cost", Money(), "US dollars that it may cost, all its attempts together."),
    ("--max-attempts", click.IntRange(min=1), "Attempts before it fails (new tasks: 3)."),
)


def task_options(function: F) -> F:
    """The options of every task; `fields_of` takes what they were given."""
    function = click.option(
        "--timeout",
        "timeout_seconds",
        type=click.IntRange(min=1),
        help="Seconds that one attempt may take.",
    )(function)
    for flag, kind, meaning in reversed(_OPTIONS):
        function = click.option(flag, type=kind, help=meaning)(function)
    function = click.option(
        "--capability",
        "required_capabilities",
        multiple=True,
        help="What an agent must be able to do; may be repeated.",
    )(function)
    function = click.option(
        "--description-file",
        type=click.File(encoding="utf-8"),
        help="Read the description from a file.",
    )(function)
    return click.option("--description", help="What there is to do; - reads it from stdin.")(
        function
    )


def not_before_option(function: F) -> F:
    """`--not-before`, for tasks that have a time of their own."""
    return click.option(
        "--not-before", type=Moment(), help="Not to be claimed before this time (ISO 8601)."
    )(function)


def fields_of(
    runner: str | None,
    required_capabilities: tuple[str, ...],
    description: str | None,
    description_file: Any,
    **fields: Any,
) -> dict[str, Any]:
    """The options in the operation's own words."""
    if description is not None and description_file is not None:
        raise click.UsageError("give --description or --description-file, not both")
    text = None if description is None else text_or_stdin(description)
    if description_file is not None:
        try:
            text = description_file.read()
        except UnicodeDecodeError:
            raise click.UsageError(f"{description_file.name} is not UTF-8 text") from None
    return given(
        runner_preference=runner,
        required_capabilities=list(required_capabilities) or None,
        description=text,
        **fields,
    )
