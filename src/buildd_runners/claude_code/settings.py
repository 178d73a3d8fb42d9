"""What the `claude-code` executor is told: its model, what it may do unasked, and who pays."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from buildd.errors import ConfigError
from buildd_runners.claude.settings import max_turns
from buildd_runners.environment import named
from buildd_runners.model_api import KEYS, ModelApi


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

    api: ModelApi
    model: str | None = None
    """None: the one that Claude Code prefers."""
    permission_mode: PermissionMode = PermissionMode.ACCEPT_EDITS
    max_turns: int | None = None
    """Turns of the model that one attempt may take."""
    pass_env: tuple[str, ...] = ()
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
        model = config.get("model")
        return cls(
            api=ModelApi.of(environ, "claude-code"),
            model=str(model) if model else None,
            permission_mode=_permission_mode(config.get("permission_mode")),
            max_turns=max_turns(config),
            pass_env=named(config, never=KEYS),
        )


def _permission_mode(value: JsonValue) -> PermissionMode:
    try:
        return PermissionMode(str(value)) if value else PermissionMode.ACCEPT_EDITS
    except ValueError:
        names = ", ".join(PermissionMode)
        raise ConfigError(f"permission_mode must be one of {names}, not {value!r}") from None
