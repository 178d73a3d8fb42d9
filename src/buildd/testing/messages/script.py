"""What the fake model is told to answer: replies, faults, and in which order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from buildd.testing.messages.request import ModelRequest


@dataclass(frozen=True)
class ToolUse:
    """The model's wish to have a tool called."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    """None: one is made up."""


@dataclass(frozen=True)
class Usage:
    """The tokens that a reply is billed for."""

    input_tokens: int = 100
    output_tokens: int = 20
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


class Gate:
    """Where a reply stops half-way until the test lets it go on: a slow model without a sleep."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        """Set when a reply stands at the gate."""
        self._opened = threading.Event()

    def open(self) -> None:
        """Let all replies pass, now and later."""
        self._opened.set()

    def passed(self, seconds: float) -> bool:
        """Stand at the gate for so long; whether it was opened."""
        self.reached.set()
        return self._opened.wait(seconds)


@dataclass(frozen=True)
class Reply:
    """One turn of the model: text, then calls of tools."""

    text: str = ""
    tools: Sequence[ToolUse] = ()
    thinking: str = ""
    usage: Usage = Usage()
    stop_reason: str | None = None
    """None: `tool_use` if there are tools, else `end_turn`."""
    gate: Gate | None = None
    """Stop here when half of it is sent."""
    cut: bool = False
    """Break the connection when half of it is sent."""


@dataclass(frozen=True)
class Fault:
    """An error instead of a reply, such as 429, 500 or 529."""

    status: int
    message: str = "a fault of the fake"
    retry_after: float | None = None
    """Seconds, in the header `retry-after`."""


Turn = Reply | Fault

Script = Sequence[Turn] | Mapping[str, Sequence[Turn]] | Callable[[ModelRequest], Turn]
"""Turns, each used once, in the order of the requests; or, for several conversations at once, the
turns of each by words of its first prompt; or a function that answers each request."""


class Prompter:
    """Gives each request its turn."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}

    def turn(self, request: ModelRequest) -> Turn:
        """What to answer; a fault that names the reason where the script has nothing to say."""
        script = self._script
        if callable(script):
            return script(request)
        if not isinstance(script, Mapping):
            return self._next("", script)
        for words, turns in script.items():
            if words in request.prompt:
                return self._next(words, turns)
        return Fault(400, f"the script has no conversation for: {request.prompt[:200]}")

    def _next(self, conversation: str, turns: Sequence[Turn]) -> Turn:
        with self._lock:
            used = self._used.get(conversation, 0)
            self._used[conversation] = used + 1
        if used < len(turns):
            return turns[used]
        return Fault(400, f"the script has only {len(turns)} turns")
