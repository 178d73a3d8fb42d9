"""What a model says and does, as messages that people can follow; the same for all executors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from buildd.models import Role
from buildd.roles import Session
from buildd.text import one_line
from buildd_runners.cut import cut, cut_json

_TEXT = 32_000
TOOL = 8_000
"""Characters of a tool's input or output that are kept."""
_TITLE = 200


async def tell_text(session: Session, text: str) -> None:
    """Say what it said, or thought aloud."""
    if text.strip():
        await session.say(cut(text, _TEXT))


async def tell_use(session: Session, tool: str, given: object) -> None:
    """Say that it wants to use a tool."""
    await session.say(
        f"{tool} {_gist(given)}".strip(),
        tool_name=tool[:_TITLE],
        tool_input=cut_json(given, TOOL),
    )


async def tell_result(session: Session, tool: str, content: object, *, failed: bool) -> None:
    """Say what a tool gave back: text, or blocks of the Messages API."""
    await session.say(
        "failed" if failed else "done",
        role=Role.TOOL,
        tool_name=tool[:_TITLE],
        tool_output=cut_json(_text(content), TOOL),
    )


def _gist(given: object) -> str:
    """The one thing about a call that tells it from others: its first short value."""
    values = given.values() if isinstance(given, Mapping) else ()
    return next((one_line(value, _TITLE) for value in values if isinstance(value, str)), "")


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, Iterable) else ()
    return "\n".join(str(block.get("text", f"[{block.get('type')}]")) for block in blocks)
