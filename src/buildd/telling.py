"""What others can be told of, and by which ways."""

from __future__ import annotations

from enum import StrEnum


class HookType(StrEnum):
    """What a hook can tell of. An event is of one type at most."""

    WAITING_INPUT = "waiting_input"
    """An agent asks a person something."""
    COMPLETED = "completed"
    """A task is done."""
    FAILED = "failed"
    """A task failed for good: trying again is over."""
    BUDGET = "budget"
    """A budget is used up: an attempt asks whether it may go on, or ended because of it."""


class TargetKind(StrEnum):
    """What a delivery goes to, and so by which sender."""

    HOOK = "hook"
    GITHUB = "github"
