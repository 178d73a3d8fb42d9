"""How commands end: codes, and one line that names the fix."""

from __future__ import annotations

import shlex
import subprocess
import sys

import click
import pytest

from buildd import errors
from buildd.cli._app import root
from buildd.cli._exits import MEANING, ExitCode, code_of, printable, run
from tests.cli.conftest import Cli

CODES = {
    errors.Malformed: 2,
    errors.ConfigError: 2,
    errors.NotFound: 3,
    errors.WrongState: 3,
    errors.LeaseLost: 3,
    errors.NotAuthenticated: 4,
    errors.Forbidden: 4,
    errors.OutcomeUnknown: 5,
    errors.Unreachable: 5,
    errors.RateLimited: 5,
    errors.InternalError: 1,
}


@pytest.mark.parametrize(("error", "code"), CODES.items())
def test_every_error_has_a_code(error: type[errors.BuilddError], code: int) -> None:
    assert code_of(error()) == code


def test_every_code_has_a_meaning() -> None:
    assert set(MEANING) == set(ExitCode)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["taks"], "there is no command 'taks'; did you mean 'tasks'? (see 'buildd --help')"),
        (
            ["tasks", "lst"],
            "No such command 'lst'. Did you mean 'list'? (see 'buildd tasks --help')",
        ),
        (["tasks", "show"], "Missing argument 'TASK_ID' (see 'buildd tasks show --help')"),
        (["tasks", "list", "--zzz"], "No such option '--zzz' (see 'buildd tasks list --help')"),
        (
            ["tasks", "list", "--api-key", "buildd_x"],
            (
                "a key is not taken as a flag, where every process could read it: "
                "set BUILDD_API_KEY, or api_key in the config file (see 'buildd tasks list --help')"
            ),
        ),
        (
            ["tasks", "create", "Do it", "--workspace", "w", "--context", "[1]"],
            (
                "Invalid value for '--context': must be a JSON object such as "
                "'{\"key\": \"value\"}' (see 'buildd tasks create --help')"
            ),
        ),
        (
            ["tasks", "create", "Do it", "--workspace", "w", "--max-cost", "NaN"],
            (
                "Invalid value for '--max-cost': 'NaN' is not an amount of US dollars "
                "(see 'buildd tasks create --help')"
            ),
        ),
        (
            ["tasks", "create", "Do it", "--workspace", "w", "--not-before", "soon"],
            (
                "Invalid value for '--not-before': 'soon' is not an ISO 8601 time such as "
                "2026-01-31T08:00 (see 'buildd tasks create --help')"
            ),
        ),
        (
            ["tasks", "create", "Do it"],
            (
                "which workspace? Give --workspace or set BUILDD_WORKSPACE; "
                "`buildd workspaces list` lists them"
            ),
        ),
        (
            ["events", "--type", "tasks"],
            "there is no event type 'tasks'; there are task:created, task:updated, ",
        ),
        (["help", "tasks", "list", "x"], "'buildd tasks list' has no commands of its own"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(root, arguments, "buildd") == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"buildd: error: {line}")
    assert err.count("\n") == 1


def _ending(problem: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise problem

    return command


@pytest.mark.parametrize(
    ("problem", "code", "line"),
    [
        (errors.NotFound("there is no task t"), 3, "there is no task t"),
        (errors.Conflict("two\nlines \x1b[2Jand a trick"), 3, "two lines \\x1b[2Jand a trick"),
        (
            errors.NotAuthenticated(),
            4,
            "A valid key is needed. (set BUILDD_API_KEY, or api_key in the config file)",
        ),
        (ExceptionGroup("both", [errors.Forbidden("not you")]), 4, "not you"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (FileNotFoundError(2, "No such file or directory", "x"), 1, "x: No such file or directory"),
        (
            KeyError("x"),
            1,
            "a fault in buildd itself, KeyError: 'x' (BUILDD_DEBUG=1 tells more)",
        ),
    ],
)
def test_a_failure_is_told_in_one_line(
    problem: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(_ending(problem), [], "buildd") == code
    assert capsys.readouterr().err == f"buildd: error: {line}\n"


def test_an_interruption_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_ending(KeyboardInterrupt()), [], "buildd") == ExitCode.INTERRUPTED
    assert "error" not in capsys.readouterr().err


def test_a_traceback_is_only_for_those_who_ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDD_DEBUG", "1")
    assert run(_ending(KeyError("x")), [], "buildd") == ExitCode.FAILURE
    assert "Traceback" in capsys.readouterr().err


def test_hostile_text_cannot_steer_a_terminal() -> None:
    assert (
        printable("\x1b[31m\x9bred\u202e\r\n\ttab é 🦀")
        == "\\x1b[31m\\x9bred\\x202e\\x0d\n\ttab é 🦀"
    )


@pytest.mark.parametrize(
    "command", ["tasks list --json", "tasks list", "config show --json", "db audit", "version"]
)
def test_nothing_is_done_for_an_output_that_is_closed(embedded: Cli, command: str) -> None:
    arguments = shlex.join([sys.executable, "-m", "buildd", *command.split()])
    done = subprocess.run(
        ["sh", "-c", f"{arguments} >&-"],
        cwd=embedded.directory,
        env=embedded.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    line = "buildd: error: standard output is closed: nobody would see the answer\n"
    assert (done.returncode, done.stderr) == (ExitCode.FAILURE, line)


def test_what_needs_no_output_runs_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def serve() -> None:
        click.echo("It listens")

    monkeypatch.setattr(sys, "stdout", None)
    assert run(serve, [], "buildd") == ExitCode.OK
    assert run(_ending(errors.Unavailable()), [], "buildd") == ExitCode.UNAVAILABLE
