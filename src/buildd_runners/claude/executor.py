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

from buildd.roles import Outcome, Session
from buildd_runners.claude.settings import ClaudeSettings
from buildd_runners.environment import inherited
from buildd_runners.refusals import refused

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic

_SILENT = logging.NullHandler()
_RETRIES = 6
"""Times that the SDK repeats a request which the API could not take; about half a minute."""


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
            return refused(problem.status_code, _said(problem))
        except (APIConnectionError, BrokenOff) as problem:
            return refused(None, str(problem.__cause__ or problem))

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

        api = self._settings.api
        return AsyncAnthropic(
            api_key=api.api_key,
            auth_token=api.auth_token,
            base_url=api.url,
            max_retries=_RETRIES,
        )


def _load() -> None:
    import buildd_runners.claude.conversation  # noqa: F401

    # A tool's failure is the model's to read, and so is a tool that does not exist: no tracebacks
    # and warnings about it in the agent's terminal.
    logging.getLogger("anthropic").addHandler(_SILENT)
    warnings.filterwarnings("ignore", message="Tool '.*' not found in tool runner")


def _said(problem: APIStatusError) -> str:
    body = problem.body if isinstance(problem.body, dict) else {}
    detail = body.get("error", body)
    said = detail.get("message") if isinstance(detail, dict) else None
    return str(said or problem.message)
