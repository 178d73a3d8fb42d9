"""How an attempt ended, as a value.

Nothing that matters is inferred from an exception, and an agent's judgement of an attempt is one
`match` over the classes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from buildd.states import ErrorCode


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

OUT_OF_BUDGET = Failed(
    "the task's budget is used up", retryable=False, code=ErrorCode.BUDGET_EXHAUSTED
)
"""The end of an attempt whose task may cost no more."""
