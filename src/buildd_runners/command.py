"""The `command` executor: any program, run by `sh -c` into which no text of a task ever goes.

The task is on stdin and in the file `$BUILDD_TASK_FILE` (as JSON in `$BUILDD_TASK_JSON`). A line
`$BUILDD_CONTROL progress=40`, whose first word is another for each attempt, reports progress; all
else that it prints are messages. It asks people by `buildd agent ask`. Exit code 0: done; a JSON
object in `$BUILDD_RESULT_FILE` becomes the result.
"""

from __future__ import annotations

import os
import shutil
import signal
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import anyio
from pydantic import JsonValue

from buildd.agent.process import MARK, spawn, stop
from buildd.errors import ConfigError
from buildd.roles import Completed, Failed, Outcome, Session
from buildd.text import one_line
from buildd_runners.brief import Brief, write_brief
from buildd_runners.environment import checked, inherited, named
from buildd_runners.output import Output
from buildd_runners.result_file import NoResult, read_result
from buildd_runners.templates import Template, template

_READ = 65_536
_BATCH = 1.0
"""Seconds of output that travel as one message."""
_ERROR_LINES = 20
_ERROR_LENGTH = 500
"""Characters of output that an error quotes; the rest is in the messages and the summary."""
_NEEDED = "the executor `command` needs a command to run: --command '…', or --template NAME"


class CommandExecutor:
    """Runs one command line for every attempt, in the attempt's work directory."""

    def __init__(
        self, command: str, pass_env: Sequence[str] = (), template: Template | None = None
    ) -> None:
        if not command.strip():
            raise ConfigError(_NEEDED)
        self._command = command
        self._pass_env = checked(pass_env)
        self._template = template

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> CommandExecutor:
        """Made of `command` or `template` (and `model`), and `pass_env`. Raises `ConfigError`."""
        command, passed = config.get("command"), named(config)
        name, model = config.get("template"), config.get("model")
        if name is None:
            return cls(command if isinstance(command, str) else "", passed)
        if command is not None:
            raise ConfigError("give a command or a template, not both")
        known = template(str(name))
        line = known.with_model(str(model) if model else None)
        made = cls(line, [*known.pass_env, *passed], known)
        if shutil.which(known.program) is None:
            # Found out later, it would use up the attempts of one task after the other.
            raise ConfigError(
                f"the template {name!r} runs {known.program}: it is not installed, or not in PATH"
            )
        return made

    async def run(self, session: Session) -> Outcome:
        """Run the command to its end, with everything it started."""
        brief = await write_brief(session, for_model=self._template is not None)
        output = Output(session, self._template)
        environment = {
            **_with_own_commands(inherited(self._pass_env)),
            **session.environment,
            **brief.environment,
            "BUILDD_CONTROL": output.control,
        }
        code = await self._run(session, brief, output, environment)
        return _judge(code, output, brief)

    async def _run(
        self, session: Session, brief: Brief, output: Output, environment: Mapping[str, str]
    ) -> int:
        with brief.prompt.open("rb") as stdin, _pipe() as (reader, writer):
            try:
                process = await spawn(
                    ["/bin/sh", "-c", self._command],
                    cwd=session.workdir,
                    environment=environment,
                    stdin=stdin.fileno(),
                    stdout=writer,
                )
            finally:
                os.close(writer)
            try:
                async with anyio.create_task_group() as reading:
                    reading.start_soon(_read, reader, output)
                    code = await process.wait()
                    reading.cancel_scope.cancel()
            finally:
                with anyio.CancelScope(shield=True):
                    # Also after a good end: what it left in the background must not outlive it.
                    await stop(process.pid, session.environment[MARK])
                    await process.aclose()
                    _read_rest(reader, output)
                    await output.flush(final=True)
        return code


def _with_own_commands(environment: dict[str, str]) -> dict[str, str]:
    """The same, where `buildd` is found even if our own directory is not in the PATH."""
    path = environment.get("PATH") or os.defpath
    return {**environment, "PATH": os.pathsep.join([path, sysconfig.get_path("scripts")])}


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """A pipe of our own: an event loop's would end only when every background child lets go."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        yield reader, writer
    finally:
        os.close(reader)


async def _read(reader: int, output: Output) -> None:
    while True:
        with anyio.move_on_after(_BATCH):
            await anyio.wait_readable(reader)
        try:
            data = os.read(reader, _READ)
        except BlockingIOError:
            await output.flush()
            continue
        if not data:
            return
        output.feed(data)
        if output.due(_BATCH):
            await output.flush()


def _read_rest(reader: int, output: Output) -> None:
    try:
        while data := os.read(reader, _READ):
            output.feed(data)
    except BlockingIOError:
        pass


def _judge(code: int, output: Output, brief: Brief) -> Outcome:
    tail = list(output.tail)
    ended = _ended(code)
    summary = "\n".join([*tail, f"({ended})"])
    if code == 0:
        try:
            return Completed({**read_result(brief.result), "exitCode": 0}, summary=summary)
        except NoResult as problem:
            return Failed(str(problem), summary=summary)
    last = _last(tail)
    return Failed(f"{ended}: {last}" if last else ended, summary=summary)


def _last(lines: Iterable[str]) -> str:
    """The end of what was said, short enough for a list of tasks."""
    said = [one_line(line, _ERROR_LENGTH) for line in lines if line.strip()]
    text = "\n".join(said[-_ERROR_LINES:])
    return text if len(text) <= _ERROR_LENGTH else f"…{text[1 - _ERROR_LENGTH :]}"


def _ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
