"""Where agent processes live: desired state, which is reconciled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from buildd.routing import AccountType


class LaunchState(StrEnum):
    """What can be said about something a runner started."""

    PENDING = "pending"
    """The platform will start it by itself, or is about to; not at work yet."""
    RUNNING = "running"
    EXITED = "exited"
    """It ran, and ended."""
    GONE = "gone"
    """There is no trace of it; or it was prepared, and nothing will ever begin it."""
    UNKNOWN = "unknown"
    """The platform does not answer. Never read as running, and never as dead."""


@dataclass(frozen=True)
class LaunchOrder:
    """One agent that should exist. The same `id` never makes a second one."""

    id: str
    """`lch_` and 26 digits or lower-case letters."""
    server: str
    """The server's URL, as the agent reaches it."""
    key: str = field(repr=False)
    """The agent's credential. A runner hands it over privately: in no argv, URL or log.

    A repeated order of the same id carries another key. Each is good for the same one agent: the
    one that was started keeps what it has.
    """
    workspace_id: str | None = None
    """Becomes the agent's `--workspace=…`, if it is set."""
    task_id: str | None = None
    """The task that the agent is for. For information: the key says so already, nothing is passed."""
    max_tasks: int = 1
    """Becomes the agent's `--max-tasks=…`, its first argument."""
    arguments: tuple[str, ...] = ()
    """The further arguments of `buildd-agent`: the server's own, such as `--once`, and the pool's."""
    settings: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Further private variables of the agent's environment, such as the key of its model.

    They are handed over as privately as `key`. A runner that cannot do so raises `ConfigError`.
    """


@dataclass(frozen=True)
class ExternalRef:
    """How to find again what a runner started, even from another process."""

    runner: str
    """The name under which the runner is registered."""
    order_id: str
    external_id: str
    """The platform's own name for it: a pid with its start time, a run, a workspace, a unit."""
    url: str | None = None
    realm: str | None = None
    """The platform's own unchanging id of where the agent identifies itself from, where it does.

    GitHub's is the number of the repository, as text.
    """


@dataclass(frozen=True)
class Observation:
    """What a runner sees of one launch; `detail` is a sentence for people."""

    state: LaunchState
    detail: str = ""
    exit_code: int | None = None


class Runner(Protocol):
    """A place where agent processes live, as desired state that is reconciled.

    A runner may be made anew at any moment and knows only what the platform, or a file of its own,
    tells it. Every method raises `Unavailable` or `RateLimited` (of `buildd.errors`) where trying
    again may help, and another `BuilddError`, with one clear line, where it does not: `ConfigError`
    for what a person must mend. No error, log or reference holds an order's key.

    The methods run on an asyncio event loop that all runners of a server share: they must not block
    it. One runner is called for several launches at once. A call may be cancelled at any `await`,
    when the server ends or when the calls of one turn, such as `stop` and `observe`, together take
    more than 100 seconds. `buildd.testing.runners` has all that as tests to inherit.
    """

    @property
    def serves(self) -> frozenset[AccountType]:
        """The types of account whose agents it can start."""
        ...

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        """Have the agent that the order asks for. Idempotent by `order.id`, also after a crash.

        What was started for an order is found again, also if the answer to the call was lost. An
        agent that has ended, or was stopped, is not started again. It returns when the agent was
        started or the platform will start it.
        """
        ...

    async def observe(self, ref: ExternalRef) -> Observation:
        """How it is. A platform that does not answer is `UNKNOWN`, and no exception."""
        ...

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        """Let it drain for `grace` seconds, then end it with everything it started. Idempotent.

        An agent gets one SIGTERM, however often it is stopped: a second one ends its drain. Where
        ending takes long, it may return before the end, which `observe` then tells; if the agent
        lives when its grace is over, it is asked again, with 0 seconds.
        """
        ...

    async def list_owned(self) -> list[ExternalRef]:
        """Everything that this runner, also in an earlier life, started and that has not ended.

        A `Forgetful` one lists besides what has ended, for as long as it keeps something of it.
        """
        ...

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        """Keep it for at least that much longer, counted from now, where the platform would end it.

        Asked of one that is `RUNNING`, for an hour, about every 15 minutes: the first time 15 minutes
        after the launch was wanted. One that fails is not repeated before the next time.
        """
        ...

    async def check(self) -> None:
        """Raise `buildd.errors.ConfigError` with one clear line if it could not start anything."""
        ...


@runtime_checkable
class Forgetful(Protocol):
    """What a runner may have besides, that keeps something of what has ended: a log, for people."""

    async def forget(self, ref: ExternalRef) -> None:
        """Remove it. Asked a day after the end, of what `list_owned` lists and `observe` tells is over.

        Asked again each minute until it is not listed any more. It ends nothing that runs.
        """
        ...
