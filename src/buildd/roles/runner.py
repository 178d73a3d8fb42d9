"""Where agent processes live: desired state, which is reconciled."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from buildd.routing import AccountType


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
