"""What the runner and its counterpart on the host say to each other: one JSON object each way."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from buildd.roles import ExternalRef, LaunchOrder, Observation

PROGRAM = "buildd_runners.vm.host"


class Verb(StrEnum):
    """What can be asked for."""

    CHECK = "check"
    ENSURE = "ensure"
    OBSERVE = "observe"
    STOP = "stop"
    LIST = "list"
    FORGET = "forget"


class Request(BaseModel):
    """One question, on standard input."""

    # A host that is older must not do half of what an order says.
    model_config = ConfigDict(extra="forbid")

    verb: Verb
    state_dir: str | None = None
    order: LaunchOrder | None = None
    ref: ExternalRef | None = None
    grace: float = 0


class Answer(BaseModel):
    """One answer: the last line of standard output that is one, as shells may say things too."""

    buildd: str
    """The host's version. It comes first, and marks the line."""
    refused: str | None = None
    """Why not; a `ConfigError` there."""
    busy: str | None = None
    """Why not now; an `Unavailable` there."""
    ref: ExternalRef | None = None
    observation: Observation | None = None
    owned: tuple[ExternalRef, ...] = ()


def find(stdout: bytes) -> Answer | None:
    """The answer in what a host said, if there is one. Raises `pydantic.ValidationError`."""
    lines = [line for line in stdout.splitlines() if line.startswith(b'{"buildd":')]
    return Answer.model_validate_json(lines[-1]) if lines else None
