"""What the model may do: the SDK's tools for files, a shell and a search of our own, and two for people."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from anthropic.lib.tools import BetaAsyncFunctionTool, ToolError, beta_async_tool
from anthropic.lib.tools.agent_toolset import (
    AgentToolContext,
    beta_edit_tool,
    beta_glob_tool,
    beta_read_tool,
    beta_write_tool,
    resolve_path,
)
from anthropic.types.beta import (
    BetaManagedAgentsAgentToolset20260401BashInput as BashInput,
)
from anthropic.types.beta import (
    BetaManagedAgentsAgentToolset20260401GrepInput as GrepInput,
)

from buildd.agent import process
from buildd.errors import BuilddError
from buildd.roles import Session
from buildd_runners.claude.shell import Shell
from buildd_runners.cut import cut

Tool = BetaAsyncFunctionTool[Any]

_FOUND = 32_000
"""Characters of a search's result that the model gets to see."""
_NOTHING_FOUND = 1
_GREP = ("-rnIE", "--devices=skip", "--exclude=.git", "--exclude-dir=.git")


def tools(session: Session, shell: Shell, environment: Mapping[str, str]) -> list[Tool]:
    """The tools of one attempt. Those for files refuse every path outside its work directory."""
    root = session.workdir.resolve()
    place = AgentToolContext(workdir=root)
    return [
        _bash(shell),
        _aside(beta_read_tool(place), place),
        _aside(beta_write_tool(place), place),
        _aside(beta_edit_tool(place), place),
        _aside(beta_glob_tool(place), place),
        _grep(place, root, environment),
        _ask(session),
        _report(session),
    ]


def _bash(shell: Shell) -> Tool:
    @beta_async_tool(name="bash", input_schema=BashInput)
    async def bash(
        command: str | None = None,
        restart: bool | None = None,  # noqa: FBT001 - the SDK calls it by name
        timeout_ms: int | None = None,
    ) -> str:
        """Run a command in a bash that keeps its directory and variables between calls.

        A command has 120 seconds unless timeout_ms says otherwise. It has no terminal and an empty
        standard input. A failing command's output ends with its exit code.
        """
        if restart:
            await shell.close()
            return "the next command gets a new shell"
        if not command:
            raise ToolError("bash: a command is needed")
        return await shell.run(command, timeout_ms / 1000 if timeout_ms else None)

    return bash


def _aside(tool: Tool, place: AgentToolContext) -> Tool:
    """A tool of the SDK, in a thread: it would keep the agent from all else while it searches."""

    async def call(**given: Any) -> Any:
        _refuse_pipe(tool.name, given.get("file_path"), place)
        work = partial(anyio.run, tool.call, given)
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)

    return BetaAsyncFunctionTool(
        call, name=tool.name, description=tool.description, input_schema=tool.input_schema
    )


def _refuse_pipe(name: str, path: object, place: AgentToolContext) -> None:
    """Refuse what could make a write wait for ever, which the SDK looks for in reads only."""
    try:
        found = resolve_path(place, path) if isinstance(path, str) else None
    except ValueError:
        return  # the tool itself says why
    if found is not None and found.exists() and not found.is_file():
        raise ToolError(f"{name}: {path}: not a regular file")


def _grep(place: AgentToolContext, root: Path, environment: Mapping[str, str]) -> Tool:
    # The SDK's own gives a program the agent's environment, or else searches on the event loop,
    # where nothing else runs meanwhile: no heartbeat either.
    @beta_async_tool(name="grep", input_schema=GrepInput)
    async def grep(pattern: str, path: str | None = None) -> str:
        """Search files for an extended regular expression; gives file, line number and line."""
        try:
            where = [str(resolve_path(place, path).relative_to(root))] if path else []
        except ValueError as problem:
            raise ToolError(f"grep: {problem}") from None
        argv = ["grep", *_GREP, "-e", pattern, "--", *where]
        done = await process.run(argv, cwd=root, environment=environment)
        found = done.stdout.decode(errors="replace")
        if found:
            return cut(found, _FOUND)
        if done.returncode == _NOTHING_FOUND:
            return "no matches"
        raise ToolError(done.stderr.decode(errors="replace").strip() or "grep failed")

    return grep


def _ask(session: Session) -> Tool:
    @beta_async_tool(name="ask")
    async def ask(question: str, options: list[str] | None = None) -> str:
        """Ask a person and wait for the answer, which may take hours. Only for what you cannot find out and must not decide yourself.

        Args:
            question: What you want to know, with all that somebody needs who has not watched you.
            options: Answers to choose from, if there are such.
        """  # noqa: E501 - the model reads it
        try:
            return await session.ask(question, options=options) or "(an empty answer)"
        except BuilddError as problem:
            raise ToolError(f"ask: {problem}") from None

    return ask


def _report(session: Session) -> Tool:
    @beta_async_tool(name="report")
    async def report(status: str, progress: int | None = None) -> str:
        """Tell the people who watch how far you are. Worth it after each larger step.

        Args:
            status: One line.
            progress: Per cent of the work that is done, 0 to 100.
        """
        try:
            await session.report(progress=progress)
            await session.say(status)
        except BuilddError as problem:
            raise ToolError(f"report: {problem}") from None
        return "reported"

    return report
