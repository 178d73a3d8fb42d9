"""The executor for your own callable: coroutine functions on the loop, any other in a thread."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from pydantic import JsonValue

from buildd.agent.attempt import Attempt
from buildd.models import ArtifactType, Message, QuestionType, Role, Task, Worker, Workspace
from buildd.redaction import Redactor
from buildd.roles import Completed, Failed, Lost, Outcome, Paused, Released, Session

R = TypeVar("R")

Result = Mapping[str, JsonValue] | Outcome | None
"""What a handler returns: the task's result, or an outcome; None is success without a result."""

_OUTCOMES = (Completed, Failed, Paused, Released, Lost)


class Stopped(Exception):
    """The attempt is over; a handler lets this pass and returns."""


class BlockingSession:
    """An attempt for a handler that blocks: `buildd.roles.Session` without `await`.

    A thread cannot be interrupted. When the attempt must stop, the next call here raises `Stopped`,
    and `stopping` turns true for a handler that is busy with something else; what such a handler
    returns later is ignored.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @property
    def stopping(self) -> bool:
        """Whether the attempt must stop."""
        return self._attempt.scope.cancel_called

    @property
    def task(self) -> Task:
        """The work."""
        return self._attempt.task

    @property
    def worker(self) -> Worker:
        """This attempt, as it was when it was claimed."""
        return self._attempt.worker

    @property
    def workspace(self) -> Workspace:
        """The repository the task belongs to."""
        return self._attempt.workspace

    @property
    def workdir(self) -> Path:
        """Where to work: the attempt's own git worktree, or an empty directory."""
        return self._attempt.workdir

    @property
    def scratch(self) -> Path:
        """A directory for files that must not be committed; it does not outlive the attempt."""
        return self._attempt.scratch

    @property
    def memory(self) -> Path:
        """A private directory that survives a pause and goes when the attempt has ended."""
        return self._attempt.memory

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program that works on this attempt should find in its environment."""
        return self._attempt.environment

    @property
    def redactor(self) -> Redactor:
        """Takes secrets out of text. All that is said or shown passes it; use it before you cut."""
        return self._attempt.redactor

    @property
    def budget(self) -> Decimal | None:
        """US dollars that the task may still cost; None: it has no limit of its own."""
        return self._attempt.budget

    @property
    def earlier(self) -> str | None:
        """The branch of an earlier attempt at the task, if this one starts from the work on it."""
        return self._attempt.earlier

    def history(self) -> list[Message]:
        """What was said before the handler began, here and in earlier attempts, oldest first."""
        return self._do(self._attempt.history)

    def heard(self) -> list[Message]:
        """The messages from people that have arrived and nobody has taken yet, oldest first."""
        return self._attempt.heard()

    def say(self, content: str, *, role: Role = Role.ASSISTANT, **tool: Any) -> None:
        """Tell people something; kept and sent in order."""
        self._do(lambda: self._attempt.say(content, role=role, **tool))

    def report(
        self,
        *,
        progress: int | None = None,
        cost_usd: Decimal | None = None,
        turns: int | None = None,
        session_id: str | None = None,
    ) -> None:
        """Give totals since the handler began; `progress` in percent, `cost_usd` in US dollars."""
        self._do(
            lambda: self._attempt.report(
                progress=progress, cost_usd=cost_usd, turns=turns, session_id=session_id
            )
        )

    def ask(
        self,
        prompt: str,
        *,
        type: QuestionType = QuestionType.QUESTION,  # noqa: A002 - the API's own word
        options: Sequence[str] | None = None,
    ) -> str:
        """Ask a person and wait for the answer."""
        return self._do(lambda: self._attempt.ask(prompt, type=type, options=options))

    def receive(self) -> Message:
        """The next message from a person, waiting for one."""
        return self._do(self._attempt.receive)

    def attach(
        self,
        type: ArtifactType,  # noqa: A002 - the API's own word
        *,
        title: str | None = None,
        content: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        file: Path | None = None,
    ) -> None:
        """Show people something the attempt made: a text, or a file of any kind and size."""
        shown = {"title": title, "content": content, "metadata": metadata, "file": file}
        self._do(lambda: self._attempt.attach(type, **shown))

    def _do(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
        if self.stopping:
            raise Stopped(self._attempt.stopped)
        try:
            return anyio.from_thread.run(call)
        except (CancelledError, asyncio.CancelledError):  # which of the two is up to the loop
            raise Stopped(self._attempt.stopped) from None


Handler = Callable[[Session], Awaitable[Result]] | Callable[[BlockingSession], Result]
"""Your function: `async def handle(session)`, or `def handle(session)` which runs in a thread."""


class FunctionExecutor:
    """Runs a handler for each attempt."""

    def __init__(self, handle: Handler) -> None:
        self._handle: Callable[[Any], Any] = handle
        self._is_async = inspect.iscoroutinefunction(handle) or inspect.iscoroutinefunction(
            getattr(handle, "__call__", None)  # noqa: B004 - it may be an object with an async __call__
        )

    async def run(self, session: Session) -> Outcome:
        """Call the handler and make an outcome of what it returns."""
        if self._is_async:
            return _outcome(await self._handle(session))
        assert isinstance(session, Attempt)
        # The agent limits itself; the loop's shared threads stay free for its own work.
        limiter = anyio.CapacityLimiter(1)
        answer = await anyio.to_thread.run_sync(
            self._handle, BlockingSession(session), abandon_on_cancel=True, limiter=limiter
        )
        return _outcome(answer)


def _outcome(answer: object) -> Outcome:
    if isinstance(answer, _OUTCOMES):
        return answer
    if answer is None or isinstance(answer, Mapping):
        return Completed(answer)
    kind = type(answer).__name__
    return Failed(f"the handler returned {kind}, not a dict, None or an outcome", retryable=False)
