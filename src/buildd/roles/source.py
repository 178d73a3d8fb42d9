"""Where tasks come from: a tracker, a folder, a mailbox; anything that knows what is to be done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from buildd.routing import RunnerPreference, Trust


@dataclass(frozen=True)
class SourceItem:
    """One thing to do, as the source knows it; each becomes one task."""

    external_id: str
    """What the source calls it, for ever the same: it is what keeps an item from a second task."""
    title: str
    """One line of 1 to 500 characters."""
    description: str | None = None
    """What the agent is asked to do, at most 1,000,000 characters."""
    url: str | None = None
    """Where people find it."""
    context: Mapping[str, JsonValue] = field(default_factory=dict)
    """Further facts for the agent, a JSON object. No secrets: whoever sees the task sees them."""
    priority: int = 0
    """-1000 to 1000; higher is taken first."""
    runner_preference: RunnerPreference = RunnerPreference.ANY
    """Which type of account may take it."""
    required_capabilities: Sequence[str] = ()
    """What an agent must offer to take it."""
    trust: Trust = Trust.INTERNAL
    """Whose words these are: a task of `PUBLIC` trust, and each other text of it, waits for approval."""
    over: bool = False
    """Whether it is done with: then it becomes no task, and one that nobody has begun is called off."""


class Source(Protocol):
    """A place where tasks come from. It keeps no books: buildd knows which items it has seen.

    It may be made anew for each sync. `buildd.errors.Unavailable` and `RateLimited` say that trying
    again may help, and another `BuilddError`, with one clear line, that it does not. No error and no
    item holds a secret of the source.
    """

    def items(self) -> AsyncIterator[SourceItem]:
        """Everything that should be a task now; usually an asynchronous generator.

        Yield an item as often as you like: it becomes a task once, however often it comes. While
        nobody works on the task and it is not over, its title, description, URL, context and trust
        follow the item; its route and priority are only what it begins with, and are then people's
        to change. What is no longer yielded stays a task: leave out what is done with, so that it is
        not made again after its task was deleted, or say for a while that it is over.
        """
        ...
