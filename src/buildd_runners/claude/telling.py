"""What the model says and does, as messages that people can follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anthropic.types.beta import BetaMessage

from buildd.agent.text import one_line
from buildd.models import Role
from buildd.roles import Session
from buildd_runners.claude.cut import cut, cut_json

_TEXT = 32_000
_TOOL = 8_000
"""Characters of a tool's input or output that are kept."""
_TITLE = 200
_SPEAKING = ("report",)
"""Tools that say something themselves."""


async def tell(session: Session, reply: BetaMessage) -> None:
    """Say the model's reply: its text, and each tool it wants to use."""
    for block in reply.content:
        match block.type:
            case "text" if block.text.strip():
                await session.say(cut(block.text, _TEXT))
            case "thinking" if block.thinking.strip():
                # What newer models say between two tools comes as a thought.
                await session.say(cut(block.thinking, _TEXT))
            case "tool_use" if block.name not in _SPEAKING:
                await session.say(
                    f"{block.name} {_gist(block.input)}".strip(),
                    tool_name=block.name,
                    tool_input=cut_json(block.input, _TOOL),
                )


async def tell_results(
    session: Session, reply: BetaMessage, results: Iterable[Mapping[str, Any]]
) -> None:
    """Say what the tools gave back."""
    names = {block.id: block.name for block in reply.content if block.type == "tool_use"}
    for result in results:
        name = names.get(str(result.get("tool_use_id")))
        if name in _SPEAKING:
            continue
        text = _text(result.get("content"))
        verdict = "failed" if result.get("is_error") else "done"
        await session.say(
            verdict,
            role=Role.TOOL,
            tool_name=name,
            tool_output=cut_json(text, _TOOL),
        )


def words(reply: BetaMessage) -> str:
    """The text of a reply."""
    return "\n\n".join(block.text for block in reply.content if block.type == "text").strip()


def _gist(given: object) -> str:
    """The one thing about a call that tells it from others: its first short value."""
    values = given.values() if isinstance(given, Mapping) else ()
    return next((one_line(value, _TITLE) for value in values if isinstance(value, str)), "")


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, Iterable) else ()
    return "\n".join(str(block.get("text", f"[{block.get('type')}]")) for block in blocks)
