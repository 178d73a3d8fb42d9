"""What the `claude-code` executor is told: its model, what it may do unasked, and who pays."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from buildd.errors import ConfigError
from buildd_runners.environment import checked
from buildd_runners.model_proxy import VENDOR, Upstream

_KEY, _TOKEN = "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"


class PermissionMode(StrEnum):
    """What Claude Code may do without asking a person; the names are its own."""

    DEFAULT = "default"
    """Read. It asks for every command that changes something, and for every edit."""
    ACCEPT_EDITS = "acceptEdits"
    """Edit files and run commands, in the worktree. It asks for what lies outside, and for the web."""
    BYPASS = "bypassPermissions"
    """Everything."""


@dataclass(frozen=True)
class ClaudeCodeSettings:
    """How one `claude-code` executor works."""

    upstream: Upstream
    model: str | None = None
    """None: the one that Claude Code prefers."""
    permission_mode: PermissionMode = PermissionMode.ACCEPT_EDITS
    max_turns: int | None = None
    """Turns of the model that one attempt may take."""
    pass_env: tuple[str, ...] = field(default=())
    """Variables of the agent that Claude Code and its commands may see."""

    @classmethod
    def load(
        cls, config: Mapping[str, JsonValue], environ: Mapping[str, str] = os.environ
    ) -> ClaudeCodeSettings:
        """Made of `model`, `permission_mode`, `max_turns` and `pass_env`; the key is in the environment.

        Raises `ConfigError` for what is missing or wrong, before anything is claimed.
        """
        if importlib.util.find_spec("claude_agent_sdk") is None:
            raise ConfigError(
                "the executor `claude-code` needs an extra: pip install 'buildd[claude-code]'"
            )
        model, names = config.get("model"), config.get("pass_env") or []
        if not isinstance(names, list):
            raise ConfigError("pass_env must be a list of names")
        return cls(
            upstream=_upstream(environ),
            model=str(model) if model else None,
            permission_mode=_permission_mode(config.get("permission_mode")),
            max_turns=_max_turns(config.get("max_turns")),
            pass_env=checked((str(name) for name in names), never=(_KEY, _TOKEN)),
        )


def _upstream(environ: Mapping[str, str]) -> Upstream:
    key, token = environ.get(_KEY, "").strip(), environ.get(_TOKEN, "").strip()
    url = environ.get("ANTHROPIC_BASE_URL", "").strip() or VENDOR
    if key:
        return Upstream(url, {"x-api-key": key})
    if token:
        return Upstream(url, {"authorization": f"Bearer {token}"})
    raise ConfigError(
        "ANTHROPIC_API_KEY is not set: the executor `claude-code` needs a key of the API"
    )


def _permission_mode(value: JsonValue) -> PermissionMode:
    try:
        return PermissionMode(str(value)) if value else PermissionMode.ACCEPT_EDITS
    except ValueError:
        names = ", ".join(PermissionMode)
        raise ConfigError(f"permission_mode must be one of {names}, not {value!r}") from None


def _max_turns(value: JsonValue) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"max_turns must be a number of turns, 1 or more, not {value!r}")
    return value
