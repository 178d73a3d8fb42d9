"""`buildd-agent`: claims tasks and has them done on this machine."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildd.cli import _config
from buildd.cli._exits import printable, run
from buildd.cli._verb import Configured
from buildd.errors import ConfigError

if TYPE_CHECKING:
    from buildd.agent import AgentOptions, Availability
    from buildd.client import AsyncClient
    from buildd.roles import Executor

_CREDENTIAL = "buildd_api_key"
"""What `LoadCredential=` of a systemd unit calls the key."""
_LAST_MOMENT = 2.0
"""Seconds that threads have to return when all else has ended."""


def _finite(seconds: float) -> float:
    # A range lets nan through: it is neither below nor above anything.
    if not math.isfinite(seconds):
        raise click.BadParameter(f"{seconds} is not a number of seconds.")
    return seconds


def _hours(_: click.Context, __: click.Parameter, text: str | None) -> Availability | None:
    if text is None:
        return None
    from buildd.agent import Hours

    try:
        return Hours.parse(text)
    except ConfigError as problem:
        raise click.BadParameter(problem.message) from None


@click.command(
    cls=Configured,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--workspace", metavar="ID", help="Take tasks of this workspace only.")
@click.option(
    "--max-tasks",
    type=click.IntRange(1, 50),
    default=3,
    show_default=True,
    help="At most so many at once; in GitHub Actions, so many in total.",
)
@click.option("--once", is_flag=True, help="Wait for --max-tasks tasks in total, do them, and end.")
@click.option(
    "--executor",
    metavar="NAME",
    help="What does the work [default: command or function, if one is given, else claude].",
)
@click.option(
    "--command", metavar="LINE", help="A command line for the executor `command`, run by sh."
)
@click.option(
    "--template",
    metavar="NAME",
    help="A program that the executor `command` knows: aider, codex, gemini or opencode.",
)
@click.option(
    "--handler",
    metavar="MODULE[:FUNCTION]",
    help="Your Python function, for the executor `function` [default: the one that is marked].",
)
@click.option("--model", metavar="NAME", help="The model that works [default: the executor's own].")
@click.option(
    "--max-turns",
    type=click.IntRange(min=1),
    help="Replies of the model that one attempt may take [default: the executor's own].",
)
@click.option(
    "--prices",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="What models cost, over the table of the executor `claude`.",
)
@click.option(
    "--permission-mode",
    metavar="MODE",
    help="What `claude-code` may do unasked: default, acceptEdits or bypassPermissions"
    " [default: acceptEdits].",
)
@click.option(
    "--drain-timeout",
    type=click.FloatRange(min=0),
    callback=lambda _context, _flag, seconds: _finite(seconds),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long running tasks may take to finish when the agent is asked to end.",
)
@click.option(
    "--active",
    metavar="HOURS",
    callback=_hours,
    help='When it works, such as "Mon-Fri 19:00-08:00, Sat, Sun", on this machine\'s clock'
    " [default: always].",
)
@click.option(
    "--on-battery",
    type=click.Choice(["yes", "no"]),
    default="yes",
    show_default=True,
    help="Whether it works while the machine is on battery.",
)
@click.option(
    "--server", metavar="URL", default=_config.DEFAULT_SERVER, show_default=True, help="The server."
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where worktrees and clones are kept [default: ~/.local/state/buildd].",
)
@click.option(
    "--capability", "capabilities", multiple=True, help="Something this agent can do; repeatable."
)
@click.option(
    "--pass-env", multiple=True, metavar="NAME", help="A variable the command may see; repeatable."
)
@click.option("-q", "--quiet", is_flag=True, help="Tell only of what goes wrong.")
@click.pass_obj
def agent(settings: _config.Settings, /, **flags: Any) -> None:
    """Claim tasks, have each done on a branch of its own, and report.

    The key is BUILDD_API_KEY, in the environment or in .env, or a systemd credential of that name;
    it is never a flag. It may be an enrolment token, which is swapped for a key and need not be
    good any more at the next start; a job of GitHub Actions with `id-token: write` needs none.
    SIGTERM drains: no new task is taken, and what does not finish in time is handed back; a second
    SIGTERM hands it back at once.

    Without --executor and --command a model works on the tasks, with the key ANTHROPIC_API_KEY.

    A command runs in a git worktree of its own. It finds the task on standard input and in the
    file $BUILDD_TASK_FILE ($BUILDD_TASK_JSON as JSON). `echo "$BUILDD_CONTROL progress=40"` reports
    progress, `buildd agent ask` asks a person, and exit code 0 means that the task is done; a JSON
    object in $BUILDD_RESULT_FILE becomes its result.
    """
    _talk(quiet=flags["quiet"])
    executor = _executor(flags)
    if shutil.which("git") is None:
        raise ConfigError("git is not installed, or not in PATH: the agent works in git worktrees")
    server = flags["server"]
    key = settings.key_for(server) or _credential() or _key_of_run(server)
    if key is None:
        raise ConfigError("BUILDD_API_KEY is not set: the agent needs an account's key")
    _serve(server, key, executor, _options(flags, key), quiet=flags["quiet"])


def _key_of_run(server: str) -> str | None:
    from buildd.agent.oidc import key_of_run

    return key_of_run(server)


def _credential() -> str | None:
    """The key as systemd hands it to a service: in a file that only the service can read."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    try:
        return (Path(directory) / _CREDENTIAL).read_text().strip() if directory else None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"the credential {_CREDENTIAL} cannot be read: {problem}") from None


def _options(flags: dict[str, Any], key: str) -> AgentOptions:
    from buildd.agent import AgentOptions, default_state_dir
    from buildd.ids import Secret, secret_kind

    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    state_dir: Path = flags["state_dir"] or default_state_dir()
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        _write_something(state_dir)
    except OSError as problem:
        raise ConfigError(f"--state-dir {state_dir}: {problem.strerror}") from None
    acquires = secret_kind(key) is Secret.ACQUIRE
    return AgentOptions(
        workspace_id=flags["workspace"],
        max_tasks=1 if acquires else flags["max_tasks"],
        single_run=in_actions or flags["once"] or acquires,
        waits=flags["once"] and not in_actions and not acquires,
        acquires=acquires,
        task_id=_dispatched_task() if in_actions else None,
        capabilities=flags["capabilities"],
        drain_timeout=flags["drain_timeout"],
        availability=_availability(flags["active"], flags["on_battery"]),
        state_dir=state_dir,
        run_id=os.environ.get("GITHUB_RUN_ID") if in_actions else None,
    )


def _write_something(directory: Path) -> None:
    """See that there is room: on a disk that is full or read-only, every task would fail."""
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(bytes(65_536))


def _availability(hours: Availability | None, on_battery: str) -> Availability | None:
    from buildd.agent import availability

    if on_battery == "yes":
        return hours
    power = availability.on_power
    return availability.both(hours, power) if hours else power


def _dispatched_task() -> str | None:
    """The task that a run was dispatched for: `task_id` in the event's `client_payload` or inputs."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    try:
        event = json.loads(Path(path).read_bytes()) if path else {}
        task_id = (event.get("client_payload") or event.get("inputs") or {}).get("task_id")
    except (OSError, ValueError, AttributeError) as problem:
        logging.getLogger("buildd").warning("GITHUB_EVENT_PATH cannot be read: %s", problem)
        return None
    return task_id if isinstance(task_id, str) and task_id else None


def _executor(flags: dict[str, Any]) -> Executor:
    from buildd import plugins

    name = flags["executor"] or _implied(flags)
    keys = ("command", "template", "handler", "model", "max_turns", "permission_mode", "prices")
    config = {key: flags[key] for key in keys}
    config["pass_env"] = list(flags["pass_env"])
    return plugins.load().executors.make(name, config)


def _implied(flags: dict[str, Any]) -> str:
    """The executor that the other flags mean."""
    meant = {"command": "command", "template": "command", "handler": "function"}
    return next((name for flag, name in meant.items() if flags[flag] is not None), "claude")


def _serve(
    server: str, key: str, executor: Executor, options: AgentOptions, *, quiet: bool
) -> None:
    import anyio

    from buildd import tracing
    from buildd.agent import process, serve_async
    from buildd.cli import _board
    from buildd.client import connect_async

    async def work() -> None:
        async with connect_async(server, api_key=key) as client:
            watch = None if quiet else _board.show
            own = await _enrolled(client, key, options.state_dir)
            await serve_async(own, executor, options, watch=watch)

    end_traces = tracing.set_up("buildd-agent", os.environ)
    process.hide_environment()
    try:
        anyio.run(work)
    finally:
        end_traces()


async def _enrolled(client: AsyncClient, key: str, state_dir: Path) -> AsyncClient:
    """The client under a key that lasts, also where only an enrolment token was given."""
    from buildd.agent.enrolment import account_key
    from buildd.ids import Secret, secret_kind

    if secret_kind(key) is not Secret.ENROL:
        return client
    return client.with_key(await account_key(client, key, state_dir))


class _Lines(logging.Formatter):
    """One line for people: the time, what happened, and nothing a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return printable(f"{self.formatTime(record, '%H:%M:%S')} {level}{super().format(record)}")


def _talk(*, quiet: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    log = logging.getLogger("buildd")
    log.handlers[:] = [handler]
    usual = logging.WARNING if quiet else logging.INFO
    log.setLevel(logging.DEBUG if os.environ.get("BUILDD_DEBUG") == "1" else usual)
    log.propagate = False


def main() -> int:
    """Run `buildd-agent` with the arguments of this process; the answer is its exit code."""
    code = run(agent, sys.argv[1:], "buildd-agent")
    _end_without_stragglers(code)
    return code


def _end_without_stragglers(code: int) -> None:
    """End also when a handler hangs: its thread cannot be interrupted, and Python waits for it."""
    others = {*threading.enumerate()} - {threading.current_thread()}
    alive = [each for each in others if not each.daemon]
    until = time.monotonic() + _LAST_MOMENT
    for each in alive:
        each.join(max(0.0, until - time.monotonic()))
    if any(each.is_alive() for each in alive):
        logging.getLogger("buildd").warning("ended without a handler that does not return")
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
