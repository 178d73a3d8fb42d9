"""What Claude Code's last report means for the attempt.

Its `subtype` says `success` even when the API refused every request: only `is_error` and
`terminal_reason` count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue

from buildd.roles import OUT_OF_BUDGET, Completed, Failed, Outcome
from buildd.text import one_line
from buildd_runners.cut import cut, cut_json
from buildd_runners.refusals import refused

if TYPE_CHECKING:
    from claude_agent_sdk import ResultMessage

_TEXT = 20_000


def judge(result: ResultMessage) -> Outcome:
    """How the attempt ended. Raises `ConfigError` where every other would end so too."""
    if not result.is_error:
        return Completed(_structured(result), summary=cut(result.result or "", _TEXT) or None)
    said = one_line(result.result or "; ".join(result.errors or ()), 500)
    match result.terminal_reason:
        case "budget_exhausted":
            return OUT_OF_BUDGET
        case "max_turns":
            return Failed(f"not done within {result.num_turns} turns", retryable=False)
        case "api_error":
            return refused(result.api_error_status, said)
        case reason:
            return Failed(f"Claude Code gave up ({reason or result.subtype}): {said}")


def _structured(result: ResultMessage) -> Mapping[str, JsonValue]:
    denied = [str(each.get("tool_name")) for each in result.permission_denials or ()]
    found: dict[str, object] = {
        "text": cut(result.result or "", _TEXT),
        "stopReason": result.stop_reason,
        "durationSeconds": round(result.duration_ms / 1000, 1),
        "models": result.model_usage
        and {
            name: {"inputTokens": use.get("inputTokens"), "outputTokens": use.get("outputTokens")}
            for name, use in result.model_usage.items()
        },
        "denied": denied or None,
    }
    return {name: cut_json(value, _TEXT) for name, value in found.items() if value is not None}
