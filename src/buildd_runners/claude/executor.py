"""The executor itself: one conversation for each attempt, and what its failures mean.

The SDK takes seconds to import. So it is loaded with the first task, in a thread, and everything here
that needs it stands behind that.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio.to_thread
from pydantic import JsonValue

from buildd.roles import Failed, Outcome, Session
from buildd_runners.claude.settings import ClaudeSettings
from buildd_runners.environment import inherited

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic

_SILENT = logging.NullHandler()
_RETRIES = 6
"""Times that the SDK repeats a request which the API could not take; about half a minute."""
_FIXES = {
    401: "the API refused the key: check ANTHROPIC_API_KEY where this agent runs",
    402: "the API wants to be paid: check the billing of the key in ANTHROPIC_API_KEY",
    403: "the key in ANTHROPIC_API_KEY may not use this model",
    404: "the API does not know this model: name another with --model",
}


class ClaudeExecutor:
    """Has a model of the Messages API do tasks."""

    def __init__(self, settings: ClaudeSettings) -> None:
        self._settings = settings

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> ClaudeExecutor:
        """Made of a configuration, as `ClaudeSettings.load` reads it. Raises `ConfigError`."""
        return cls(ClaudeSettings.load(config))

    async def run(self, session: Session) -> Outcome:
        """Talk until the task is done. Whatever the model started is ended with it."""
        await anyio.to_thread.run_sync(_load)
        from anthropic import APIConnectionError, APIStatusError

        from buildd_runners.claude.conversation import BrokenOff

        try:
            return await self._talk(session)
        except APIStatusError as problem:
            return _refused(problem)
        except (APIConnectionError, BrokenOff) as problem:
            return Failed(f"the model's API does not answer: {problem.__cause__ or problem}")

    async def _talk(self, session: Session) -> Outcome:
        from buildd_runners.claude.conversation import Conversation
        from buildd_runners.claude.shell import Shell
        from buildd_runners.claude.tools import tools

        environment = {**inherited(self._settings.pass_env), **session.environment}
        shell = Shell(session.workdir, environment)
        async with self._client() as client:
            try:
                has = tools(session, shell, environment)
                return await Conversation(client, session, self._settings, has).run()
            finally:
                await shell.close()

    def _client(self) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic

        settings = self._settings
        return AsyncAnthropic(
            api_key=settings.api_key,
            auth_token=settings.auth_token,
            base_url=settings.base_url,
            max_retries=_RETRIES,
        )


def _load() -> None:
    import buildd_runners.claude.conversation  # noqa: F401

    # A tool's failure is the model's to read, and so is a tool that does not exist: no tracebacks
    # and warnings about it in the agent's terminal.
    logging.getLogger("anthropic").addHandler(_SILENT)
    warnings.filterwarnings("ignore", message="Tool '.*' not found in tool runner")


def _refused(problem: APIStatusError) -> Failed:
    body = problem.body if isinstance(problem.body, dict) else {}
    detail = body.get("error", body)
    said = detail.get("message") if isinstance(detail, dict) else None
    status = problem.status_code
    fix = _FIXES.get(status)
    if fix is not None:
        return Failed(f"{fix} ({said or problem.message})", retryable=False)
    passing = status in (408, 409, 429) or status >= 500  # noqa: PLR2004 - the codes of HTTP
    what = "is overloaded or away" if passing else "refused the request"
    return Failed(
        f"the model's API {what} ({status}): {said or problem.message}", retryable=passing
    )
