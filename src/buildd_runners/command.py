"""The `command` executor: any program, run by `sh -c` into which no text of a task ever goes.

The task is on stdin and in the file `$BUILDD_TASK_FILE` (as JSON in `$BUILDD_TASK_JSON`). A line
`$BUILDD_CONTROL progress=40`, whose first word is another for each attempt, reports progress; all
else that it prints are messages. Exit code 0: done.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
from pydantic import JsonValue

from buildd.agent.process import MARK, spawn, stop
from buildd.agent.text import one_line
from buildd.errors import ConfigError
from buildd.models import Task
from buildd.roles import Completed, Failed, Outcome, Session
from buildd_runners.output import Output

_PASSED = ("PATH", "HOME", "LANG", "TERM", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR")
_NEVER = ("BUILDD_API_KEY", "BUILDD_ADMIN_KEY", "BUILDD_SECRET")
_READ = 65_536
_BATCH = 1.0
"""Seconds of output that travel as one message."""
_ERROR_LINES = 20
_ERROR_LENGTH = 500
"""Characters of output that an error quotes; the rest is in the messages and the summary."""


class CommandExecutor:
    """Runs one command line for every attempt, in the attempt's work directory."""

    def __init__(self, command: str, pass_env: Sequence[str] = ()) -> None:
        if not command.strip():
            raise ConfigError("the executor `command` needs a command to run: --command '…'")
        refused = sorted(set(pass_env) & set(_NEVER))
        if refused:
            raise ConfigError(f"{refused[0]} is never passed to a command")
        self._command = command
        self._pass_env = tuple(pass_env)

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> CommandExecutor:
        """Made of `command` and `pass_env`. Raises `ConfigError`."""
        command, names = config.get("command"), config.get("pass_env") or []
        if not isinstance(command, str):
            raise ConfigError("the executor `command` needs a command to run: --command '…'")
        if not isinstance(names, list):
            raise ConfigError("pass_env must be a list of names")
        return cls(command, [str(name) for name in names])

    async def run(self, session: Session) -> Outcome:
        """Run the command to its end, with everything it started."""
        brief, as_json = _write(session)
        output = Output(session)
        environment = {
            **self._inherited(),
            **session.environment,
            "BUILDD_TASK_FILE": str(brief),
            "BUILDD_TASK_JSON": str(as_json),
            "BUILDD_CONTROL": output.control,
        }
        with brief.open("rb") as stdin, _pipe() as (reader, writer):
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
        return _judge(code, output)

    def _inherited(self) -> dict[str, str]:
        wanted = {*_PASSED, *self._pass_env}
        return {
            name: value
            for name, value in os.environ.items()
            if name in wanted or name.startswith("LC_")
        }


def _write(session: Session) -> tuple[Path, Path]:
    """The task as files beside the work directory, where they are not committed."""
    brief, as_json = session.scratch / "task.md", session.scratch / "task.json"
    brief.write_text(_prompt(session.task), encoding="utf-8")
    as_json.write_text(session.task.model_dump_json(indent=2), encoding="utf-8")
    return brief, as_json


def _prompt(task: Task) -> str:
    parts = [f"# {task.title}"]
    if task.description:
        parts.append(task.description)
    if task.context:
        context = json.dumps(task.context, indent=2, ensure_ascii=False)
        parts.append(f"## Context\n\n```json\n{context}\n```")
    return "\n\n".join(parts) + "\n"


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


def _judge(code: int, output: Output) -> Outcome:
    tail = list(output.tail)
    ended = _ended(code)
    summary = "\n".join([*tail, f"({ended})"])
    if code == 0:
        return Completed({"exitCode": 0}, summary=summary)
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
