"""The executor itself: starts Claude Code for an attempt, and leaves nothing of it behind.

The SDK takes a second to import. So it is loaded with the first task, in a thread, and everything
here that needs it stands behind that.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from pydantic import JsonValue

from buildd.agent.git import ask
from buildd.agent.process import MARK, stop
from buildd.errors import ConfigError
from buildd.roles import OUT_OF_BUDGET, Failed, Outcome, Session
from buildd.text import one_line
from buildd_runners.claude import prompt
from buildd_runners.claude_code import earlier, launch
from buildd_runners.claude_code.earlier import Earlier
from buildd_runners.claude_code.settings import ClaudeCodeSettings, PermissionMode
from buildd_runners.environment import inherited

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient

    from buildd_runners.claude_code.questions import Questions
    from buildd_runners.model_proxy import Door

log = logging.getLogger(__name__)

_INTERRUPT = 3.0
"""Seconds that Claude Code has to stop when it is told to, and to say what it has cost."""
_GOODBYE = 4.0
"""Seconds that it then has to write down where it stands, before it is killed."""
_LINE = 64 * 1024 * 1024
"""Bytes of one message from Claude Code; a picture that it looks at is one."""
_COMPLAINTS = 20
_TOOLS = (
    "Bash",
    "Edit",
    "NotebookEdit",
    "Read",
    "Task",
    "TaskStop",
    "WebFetch",
    "WebSearch",
    "Write",
)
_QUIET = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
)


class ClaudeCodeExecutor:
    """Has Claude Code do tasks."""

    def __init__(self, settings: ClaudeCodeSettings) -> None:
        self._settings = settings

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> ClaudeCodeExecutor:
        """Made of a configuration, as `ClaudeCodeSettings.load` reads it. Raises `ConfigError`."""
        return cls(ClaudeCodeSettings.load(config))

    async def run(self, session: Session) -> Outcome:
        """Have the task done. Whatever Claude Code started is ended with it."""
        if session.budget is not None and session.budget <= 0:
            return OUT_OF_BUDGET
        await anyio.to_thread.run_sync(_load)
        from buildd_runners.claude_code.questions import Questions
        from buildd_runners.model_proxy import model_proxy

        async with model_proxy(self._settings.api) as door:
            questions = Questions(session, self._settings.permission_mode)
            return await self._converse(session, door, questions)

    async def _converse(self, session: Session, door: Door, questions: Questions) -> Outcome:
        from claude_agent_sdk import ClaudeSDKClient, ClaudeSDKError

        from buildd_runners.claude_code.conversation import Conversation
        from buildd_runners.claude_code.outcome import judge

        complaints: deque[str] = deque(maxlen=_COMPLAINTS)
        before = earlier.find(session)
        options = self._options(session, door, questions, before)
        options.env |= await _identity(session)
        options.stderr = complaints.append
        client = ClaudeSDKClient(options)
        conversation = Conversation(client, session, before.cost if before else Decimal(0))
        try:
            await client.connect()
            return judge(await conversation.run(await _opening(session, before)))
        except ClaudeSDKError as problem:
            return _broken(problem, complaints)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await conversation.interrupt(_INTERRUPT)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await _end(client, session.environment[MARK])

    def _options(
        self, session: Session, door: Door, questions: Questions, before: Earlier | None
    ) -> ClaudeAgentOptions:
        from claude_agent_sdk import ClaudeAgentOptions

        from buildd_runners.claude_code.questions import ASK

        settings = self._settings
        return ClaudeAgentOptions(
            cli_path=_launcher(session.scratch),
            cwd=session.workdir,
            env=self._environment(session, door),
            model=settings.model,
            max_turns=settings.max_turns,
            max_budget_usd=None if session.budget is None else float(session.budget),
            resume=before.session_id if before else None,
            tools=[ASK, *_TOOLS],
            can_use_tool=questions.decide,
            permission_mode=settings.permission_mode.value,
            # The repository is not trusted: its settings could run hooks and permit everything.
            setting_sources=[],
            strict_mcp_config=True,
            system_prompt={"type": "preset", "preset": "claude_code", "append": prompt.CLAUDE_CODE},
            # A task's text that names a file with @ must not make it read one.
            verbatim_prompts=True,
            max_buffer_size=_LINE,
        )

    def _environment(self, session: Session, door: Door) -> dict[str, str]:
        """All that Claude Code may see; what the SDK would hand it besides is emptied."""
        home = session.memory / "home"
        home.mkdir(exist_ok=True)
        own = {
            **inherited(self._settings.pass_env),
            **session.environment,
            **dict.fromkeys(_QUIET, "1"),
            "HOME": str(home),
            "CLAUDE_CONFIG_DIR": str(earlier.configuration(session)),
            "CLAUDE_CODE_TMPDIR": str(session.scratch),
            "ANTHROPIC_BASE_URL": door.url,
            "ANTHROPIC_API_KEY": door.token,
        }
        if self._settings.permission_mode is PermissionMode.BYPASS:
            own["IS_SANDBOX"] = "1"  # without it, root may not
        return {**dict.fromkeys(os.environ, ""), **own}


async def _identity(session: Session) -> dict[str, str]:
    """Who commits: in a home of its own, git does not find the person's settings."""
    found = {}
    for name in ("name", "email"):
        value = await ask("config", f"user.{name}", at=session.workdir)
        for role in ("AUTHOR", "COMMITTER"):
            variable = f"GIT_{role}_{name.upper()}"
            if value and variable not in session.environment:
                found[variable] = value
    return found


async def _opening(session: Session, before: Earlier | None) -> str:
    return prompt.RESUMED if before else prompt.first(session, await session.history())


def _launcher(scratch: Path) -> Path:
    """The program to start: ours, which becomes Claude Code."""
    agent = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), _program()]
    path = scratch / "claude"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(agent)} "$@"\n')
    path.chmod(0o700)
    return path


def _program() -> str:
    """Claude Code as it came with the SDK, or as it is installed."""
    bundled = Path(str(resources.files("claude_agent_sdk"))) / "_bundled" / "claude"
    found = str(bundled) if bundled.is_file() else shutil.which("claude")
    if found is None:
        raise ConfigError("Claude Code is not installed: there is no `claude` in PATH")
    return found


async def _end(client: ClaudeSDKClient, mark: str) -> None:
    """Let Claude Code write down where it stands, then end it with all that it has started."""
    async with anyio.create_task_group() as group:
        group.start_soon(_kill_after, _GOODBYE, mark)
        await client.disconnect()
        group.cancel_scope.cancel()
    await stop(0, mark)


async def _kill_after(seconds: float, mark: str) -> None:
    await anyio.sleep(seconds)
    await stop(0, mark, 1.0)


def _broken(problem: Exception, complaints: deque[str]) -> Failed:
    said = one_line(" ".join(complaints), 500)
    return Failed(f"Claude Code broke off: {problem}" + (f" ({said})" if said else ""))


def _load() -> None:
    try:
        import buildd_runners.claude_code.conversation
        import buildd_runners.model_proxy  # noqa: F401
    except ImportError as problem:
        raise ConfigError(f"the executor `claude-code` cannot be loaded: {problem}") from None
