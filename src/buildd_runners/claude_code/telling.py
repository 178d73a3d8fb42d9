"""Which parts of what Claude Code sends become messages."""

from __future__ import annotations

from claude_agent_sdk import (
    AssistantMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from buildd.roles import Session
from buildd_runners.telling import tell_result, tell_text, tell_use


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
                    await tell_text(self._session, text)
                case ThinkingBlock(thinking=thought):
                    await tell_text(self._session, thought)
                case ToolUseBlock():
                    self._tools[block.id] = block.name
                    await tell_use(self._session, block.name, block.input)
                case ToolResultBlock():
                    name = self._tools.pop(block.tool_use_id, "?")
                    failed = bool(block.is_error)
                    await tell_result(self._session, name, block.content, failed=failed)
