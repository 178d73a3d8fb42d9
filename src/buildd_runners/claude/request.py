"""What all requests of a conversation have in common; nothing in it changes, so that caches hold."""

from __future__ import annotations

from typing import Any

from buildd_runners.claude.prompt import SYSTEM

_MAX_TOKENS = 32_000
"""Tokens of one reply, thoughts included."""
_CLEAR_AT = 100_000
"""Tokens of a prompt from which on the results of old tool calls are left out of it."""
_OLDER = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")
"""Models that know neither adaptive thinking nor compaction."""
_CACHED = {"type": "ephemeral"}
_CLEARING = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "input_tokens", "value": _CLEAR_AT},
    "keep": {"type": "tool_uses", "value": 20},
    # Each clearing makes the cache worthless once: it must be worth that.
    "clear_at_least": {"type": "input_tokens", "value": 30_000},
}
_COMPACTION = {"type": "compact_20260112"}


def request(model: str) -> dict[str, Any]:
    """The arguments of the SDK that are the same for each step.

    The rules and the tools are cached by themselves, as every task begins with them, and so is the
    conversation up to its end. What becomes too long is trimmed by the API itself.
    """
    older = model.startswith(_OLDER)
    arguments: dict[str, Any] = {
        "model": model,
        "max_tokens": _MAX_TOKENS,
        "system": [{"type": "text", "text": SYSTEM, "cache_control": _CACHED}],
        "cache_control": _CACHED,
        "betas": ["context-management-2025-06-27"],
        "context_management": {"edits": [_CLEARING]},
    }
    if older:
        return arguments
    return {
        **arguments,
        "betas": [*arguments["betas"], "compact-2026-01-12"],
        "context_management": {"edits": [_CLEARING, _COMPACTION]},
        # Otherwise people would see nothing of what newer models say between two tools.
        "thinking": {"type": "adaptive", "display": "summarized"},
    }
