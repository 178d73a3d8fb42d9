"""Which parts of a reply, and of what its tools gave back, become messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anthropic.types.beta import BetaMessage

from buildd.roles import Session
from buildd_runners.telling import tell_result, tell_text, tell_use

_SPEAKING = ("report",)
"""Tools that say something themselves."""


async def tell(session: Session, reply: BetaMessage) -> None:
    """Say the model's reply: its text, and each tool it wants to use."""
    for block in reply.content:
        match block.type:
            case "text":
                await tell_text(session, block.text)
            case "thinking":
                # What newer models say between two tools comes as a thought.
                await tell_text(session, block.thinking)
            case "tool_use" if block.name not in _SPEAKING:
                await tell_use(session, block.name, block.input)


async def tell_results(
    session: Session, reply: BetaMessage, results: Iterable[Mapping[str, Any]]
) -> None:
    """Say what the tools gave back."""
    names = {block.id: block.name for block in reply.content if block.type == "tool_use"}
    for result in results:
        name = names.get(str(result.get("tool_use_id")), "?")
        if name not in _SPEAKING:
            failed = bool(result.get("is_error"))
            await tell_result(session, name, result.get("content"), failed=failed)


def words(reply: BetaMessage) -> str:
    """The text of a reply."""
    return "\n\n".join(block.text for block in reply.content if block.type == "text").strip()
