"""What Claude Code says and does, as messages that people can follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from buildd.agent.text import one_line
from buildd.models import Role
from buildd.roles import Session
from buildd_runners.claude.cut import cut, cut_json

_TEXT = 32_000
_TOOL = 8_000
"""Characters of a tool's input or output that are kept."""
_TITLE = 200


class Teller:
    """Says what comes from Claude Code."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tools: dict[str, str] = {}

    async def tell(self, message: AssistantMessage | UserMessage) -> None:
        """Say each part of a message; what people said themselves is known already."""
        if isinstance(message.content, str):
            return
        for block in message.content:
            match block:
                case TextBlock(text=text) if isinstance(message, AssistantMessage):
                    await self._say(text)
                case ThinkingBlock(thinking=thought):
                    await self._say(thought)
                case ToolUseBlock():
                    await self._use(block)
                case ToolResultBlock():
                    await self._result(block)

    async def _say(self, text: str) -> None:
        if text.strip():
            await self._session.say(cut(text, _TEXT))

    async def _use(self, block: ToolUseBlock) -> None:
        self._tools[block.id] = block.name
        await self._session.say(
            f"{block.name} {_gist(block.input)}".strip(),
            tool_name=block.name[:_TITLE],
            tool_input=cut_json(block.input, _TOOL),
        )

    async def _result(self, block: ToolResultBlock) -> None:
        await self._session.say(
            "failed" if block.is_error else "done",
            role=Role.TOOL,
            tool_name=self._tools.pop(block.tool_use_id, "?")[:_TITLE],
            tool_output=cut_json(_text(block.content), _TOOL),
        )


def _gist(given: Mapping[str, Any]) -> str:
    """The one thing about a call that tells it from others: its first short value."""
    return next((one_line(each, _TITLE) for each in given.values() if isinstance(each, str)), "")


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(block.get("text", f"[{block.get('type')}]")) for block in content)
