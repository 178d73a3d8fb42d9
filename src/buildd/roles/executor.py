"""Who does the work, and what it sees of one attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from buildd.models import ArtifactType, Message, QuestionType, Role, Task, Worker, Workspace
from buildd.redaction import Redactor
from buildd.roles.outcome import Outcome


class Session(Protocol):
    """What an executor sees of one attempt: the work, the place to do it, and people to talk to.

    When the attempt must stop (cancelled, paused, out of budget or time, lease lost, agent shutting
    down), `Executor.run` is cancelled; it may use the cancellation to stop what it started.
    """

    @property
    def task(self) -> Task:
        """The work."""
        ...

    @property
    def worker(self) -> Worker:
        """This attempt, as it was when it was claimed."""
        ...

    @property
    def workspace(self) -> Workspace:
        """The repository the task belongs to."""
        ...

    @property
    def workdir(self) -> Path:
        """Where to work: the attempt's own git worktree, or an empty directory."""
        ...

    @property
    def scratch(self) -> Path:
        """A directory for files that must not be committed; it does not outlive the attempt."""
        ...

    @property
    def memory(self) -> Path:
        """A private directory for what the executor wants to find again when it is resumed here.

        It survives a pause and the agent's death, and goes when the attempt has ended.
        """
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What programs that work on this attempt should find in their environment; no secrets."""
        ...

    @property
    def redactor(self) -> Redactor:
        """Takes secrets out of text. All that is said or shown passes it; use it before you cut."""
        ...

    @property
    def budget(self) -> Decimal | None:
        """US dollars that the executor may still spend on the task; None: no limit of its own."""
        ...

    @property
    def earlier(self) -> str | None:
        """The branch of an earlier attempt at the task, if this one starts from the work on it."""
        ...

    async def history(self) -> list[Message]:
        """What was said before the executor began, oldest first; empty for a task that is new.

        In this attempt, if it was resumed, and in earlier ones at the same task, with the answers
        people gave. What people said while a resumed attempt was paused comes from `heard`.
        """
        ...

    def heard(self) -> list[Message]:
        """The messages from people that have arrived and nobody has taken yet, oldest first."""
        ...

    async def say(
        self,
        content: str,
        *,
        role: Role = Role.ASSISTANT,
        tool_name: str | None = None,
        tool_input: JsonValue = None,
        tool_output: JsonValue = None,
    ) -> None:
        """Tell people something. Kept, sent in order, and retried while the server is away."""
        ...

    async def report(
        self,
        *,
        progress: int | None = None,
        cost_usd: Decimal | None = None,
        turns: int | None = None,
        session_id: str | None = None,
    ) -> None:
        """Give totals since the executor began; `progress` in percent. Heartbeats carry them."""
        ...

    async def ask(
        self,
        prompt: str,
        *,
        type: QuestionType = QuestionType.QUESTION,  # noqa: A002 - the API's own word
        options: Sequence[str] | None = None,
    ) -> str:
        """Ask a person and wait for the answer, however long; the lease is kept meanwhile."""
        ...

    async def receive(self) -> Message:
        """The next message from a person, waiting for one."""
        ...

    async def attach(
        self,
        type: ArtifactType,  # noqa: A002 - the API's own word
        *,
        title: str | None = None,
        content: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        file: Path | None = None,
    ) -> None:
        """Show people something the attempt made: a text, or a file of any kind and size.

        Secrets are taken out of both. A file is read when it is sent, piece by piece.
        """
        ...


class Executor(Protocol):
    """Does the work; one executor serves all attempts of an agent, several at once."""

    async def run(self, session: Session) -> Outcome:
        """Do the task. An exception counts as a retryable failure.

        `buildd.errors.ConfigError` says that this agent, as it is set up, can do no task at all:
        the task is handed back without penalty, and the agent ends with that line.
        """
        ...
