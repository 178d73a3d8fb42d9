"""How a command ends: exit codes that scripts can rely on, and one line on what went wrong."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum

import click

from buildd import errors


class ExitCode(IntEnum):
    """What a command's exit code means."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    REFUSED = 3
    DENIED = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130


MEANING = {
    ExitCode.OK: "done; for `watch`: the task was completed",
    ExitCode.FAILURE: "it failed; for `watch`: the task failed or was cancelled",
    ExitCode.USAGE: "the command line, a setting or a field of the request is wrong",
    ExitCode.REFUSED: "there is no such thing, or its present state does not allow that",
    ExitCode.DENIED: "a valid key is needed, or this key may not do that",
    ExitCode.UNAVAILABLE: "the server cannot be reached, or cannot do that now: try again later",
    ExitCode.INTERRUPTED: "interrupted from the keyboard",
}

_CODES: dict[type[errors.BuilddError], ExitCode] = {
    errors.Invalid: ExitCode.USAGE,
    errors.ConfigError: ExitCode.USAGE,
    errors.NotFound: ExitCode.REFUSED,
    errors.Conflict: ExitCode.REFUSED,
    errors.NotAuthenticated: ExitCode.DENIED,
    errors.Forbidden: ExitCode.DENIED,
    errors.Unavailable: ExitCode.UNAVAILABLE,
    errors.RateLimited: ExitCode.UNAVAILABLE,
    errors.BuilddError: ExitCode.FAILURE,
}

_HINTS: dict[type[errors.BuilddError], str] = {
    errors.NotAuthenticated: "set BUILDD_API_KEY, or api_key in the config file",
}

# What a terminal would obey instead of showing, and what turns the direction of the text around it.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def run(command: click.Command, arguments: Sequence[str], program: str) -> int:
    """Run a command as a program: its exit code, with every error told in one line on stderr."""
    try:
        answer = command.main(args=list(arguments), prog_name=program, standalone_mode=False)
        if sys.stdout is not None:  # None where it was closed before we began.
            sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as problem:  # noqa: BLE001 - the last place that can put it in one line
        _give_up_output()
        quiet = isinstance(problem, BrokenPipeError)  # The reader has gone, as `head` does.
        return ExitCode.FAILURE if quiet else _end(problem, program)
    return answer if isinstance(answer, int) else ExitCode.OK


def code_of(error: errors.BuilddError) -> ExitCode:
    """The exit code that goes with an error."""
    return next(_CODES[cls] for cls in type(error).__mro__ if cls in _CODES)


def printable(text: str) -> str:
    """Text of unknown origin as a terminal may be given it."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def escaped(document: str) -> str:
    """JSON as a terminal may be given it, and the same JSON."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _end(problem: Exception, program: str) -> ExitCode:
    while isinstance(problem, ExceptionGroup) and len(problem.exceptions) == 1:
        problem = problem.exceptions[0]
    if isinstance(problem, click.exceptions.NoArgsIsHelpError):
        click.echo(problem.format_message(), err=True)
        return ExitCode.USAGE
    code, message = _verdict(problem)
    if os.environ.get("BUILDD_DEBUG") == "1":
        traceback.print_exception(problem)
    if code is not ExitCode.INTERRUPTED:
        _say(f"{program}: error: {' '.join(printable(message).split())}")
    return code


def _verdict(problem: Exception) -> tuple[ExitCode, str]:
    if isinstance(problem, click.Abort):
        return ExitCode.INTERRUPTED, ""
    if isinstance(problem, click.UsageError):
        return ExitCode.USAGE, _usage(problem)
    if isinstance(problem, click.ClickException):
        return ExitCode.FAILURE, problem.format_message()
    if isinstance(problem, errors.BuilddError):
        hint = next((_HINTS[cls] for cls in type(problem).__mro__ if cls in _HINTS), None)
        return code_of(problem), f"{problem.message} ({hint})" if hint else problem.message
    if isinstance(problem, OSError) and problem.strerror:
        where = f"{problem.filename}: " if problem.filename else ""
        return ExitCode.FAILURE, f"{where}{problem.strerror}"
    kind = type(problem).__name__
    return (
        ExitCode.FAILURE,
        f"a fault in buildd itself, {kind}: {problem} (BUILDD_DEBUG=1 tells more)",
    )


def _usage(problem: click.UsageError) -> str:
    said = problem.format_message().rstrip(".")
    return f"{said} (see '{problem.ctx.command_path} --help')" if problem.ctx else said


def _give_up_output() -> None:
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:  # Else the interpreter's own last flush would fail too, with words of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: str) -> None:
    # With nobody left to read stderr, the exit code still tells.
    with contextlib.suppress(OSError):
        click.echo(line, err=True)
