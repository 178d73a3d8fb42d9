"""The parts that plugins play: an executor does the work, a runner gives an agent a place to live.

Outcomes are values. Nothing that matters is inferred from an exception, and an agent's judgement of
an attempt is one `match` over the classes below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from buildd.models import (
    ArtifactType,
    Message,
    PullRequest,
    QuestionType,
    Role,
    Task,
    Worker,
    Workspace,
)
from buildd.redaction import Redactor
from buildd.routing import AccountType


@dataclass(frozen=True)
class Completed:
    """The work is done; `result` becomes the task's result, `summary` an artifact for people."""

    result: Mapping[str, JsonValue] | None = None
    summary: str | None = None


@dataclass(frozen=True)
class Failed:
    """The work was not done; a retryable failure goes back while the task has attempts left."""

    error: str
    retryable: bool = True
    code: str | None = None
    summary: str | None = None


@dataclass(frozen=True)
class Paused:
    """Put aside at a person's request: the task is still this worker's, to be resumed."""


@dataclass(frozen=True)
class Released:
    """Handed back unfinished and without penalty: the agent shuts down, or is not fit for it."""


@dataclass(frozen=True)
class Lost:
    """The attempt was over before the agent could end it (cancelled, or the lease is gone)."""

    reason: str


Outcome = Completed | Failed | Paused | Released | Lost
"""How an attempt ended."""


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
    ) -> None:
        """Show people something the attempt made."""
        ...


class Executor(Protocol):
    """Does the work; one executor serves all attempts of an agent, several at once."""

    async def run(self, session: Session) -> Outcome:
        """Do the task. An exception counts as a retryable failure.

        `buildd.errors.ConfigError` says that this agent, as it is set up, can do no task at all:
        the task is handed back without penalty, and the agent ends with that line.
        """
        ...


class LaunchState(StrEnum):
    """What can be said about something a runner started."""

    PENDING = "pending"
    """Asked for; not at work yet."""
    RUNNING = "running"
    EXITED = "exited"
    """It ran, and ended."""
    GONE = "gone"
    """There is no trace of it."""
    UNKNOWN = "unknown"
    """The platform does not answer. Never read as running, and never as dead."""


@dataclass(frozen=True)
class LaunchOrder:
    """One agent that should exist. The same `id` never makes a second one."""

    id: str
    server: str
    """The server's URL, as the agent reaches it."""
    key: str = field(repr=False)
    """The agent's credential. A runner hands it over privately: in no argv, URL or log."""
    workspace_id: str | None = None
    max_tasks: int = 1
    arguments: tuple[str, ...] = ()
    """Further arguments of `buildd-agent`."""


@dataclass(frozen=True)
class ExternalRef:
    """How to find again what a runner started, even from another process."""

    runner: str
    order_id: str
    external_id: str
    """The platform's own name for it: a pid with its start time, a run, a workspace, a unit."""
    url: str | None = None


@dataclass(frozen=True)
class Observation:
    """What a runner sees of one launch; `detail` is a sentence for people."""

    state: LaunchState
    detail: str = ""
    exit_code: int | None = None


class Runner(Protocol):
    """A place where agent processes live, as desired state that is reconciled."""

    @property
    def serves(self) -> frozenset[AccountType]:
        """The types of account whose agents it can start."""
        ...

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        """Have the agent that the order asks for. Idempotent by `order.id`, also after a crash."""
        ...

    async def observe(self, ref: ExternalRef) -> Observation:
        """How it is."""
        ...

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        """Let it drain for `grace` seconds, then end it with everything it started. Idempotent."""
        ...

    async def list_owned(self) -> list[ExternalRef]:
        """Everything this runner started and has not seen the end of."""
        ...

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        """Keep it for at least that much longer, where the platform would end it by itself."""
        ...

    async def check(self) -> None:
        """Raise `buildd.errors.ConfigError` with one clear line if it could not start anything."""
        ...


@dataclass(frozen=True)
class PullRequestOrder:
    """A pull request that should be open. What it says may come from people nobody knows."""

    repo: str
    """The workspace's repository, as `git clone` takes it."""
    branch: str
    """Where the work is; it is pushed already."""
    title: str
    body: str = ""
    base: str | None = None
    """Where it is to go; None for the repository's default branch."""
    draft: bool = False


class Forge(Protocol):
    """Where repositories live and are reviewed, spoken to with the server's own credentials."""

    def open_pull_request(self, order: PullRequestOrder) -> PullRequest:
        """Have the pull request open: the one there is for that branch, else a new one. Blocks.

        Raises `buildd.errors.NotConfigured` for a repository of another forge, `ForgeRefused` with
        the forge's reason, `RateLimited`, or `Unavailable`. None of them holds a credential.
        """
        ...
