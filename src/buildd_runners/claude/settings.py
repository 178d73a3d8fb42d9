"""What the `claude` executor is told: its model, its limits, and how it reaches the API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from buildd.errors import ConfigError
from buildd_runners.claude.prices import Price, Prices
from buildd_runners.environment import checked

_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")

MODEL = "claude-opus-5-5"
"""The model that works unless another is named."""
MAX_TURNS = 200
"""Replies of the model that one attempt may take unless another number is given."""


@dataclass(frozen=True)
class ClaudeSettings:
    """How one `claude` executor works."""

    model: str
    price: Price
    max_turns: int = MAX_TURNS
    pass_env: tuple[str, ...] = ()
    """Variables of the agent that the model's commands may see."""
    api_key: str | None = field(default=None, repr=False)
    auth_token: str | None = field(default=None, repr=False)
    base_url: str | None = None
    """Where the API is; None: the vendor's."""

    @classmethod
    def load(
        cls, config: Mapping[str, JsonValue], environ: Mapping[str, str] = os.environ
    ) -> ClaudeSettings:
        """Made of `model`, `max_turns`, `prices` and `pass_env`, and the key in the environment.

        Raises `ConfigError` for what is missing or wrong, before anything is claimed.
        """
        api_key, auth_token = (environ.get(name, "").strip() or None for name in _KEYS)
        if api_key is None and auth_token is None:
            raise ConfigError(
                "ANTHROPIC_API_KEY is not set: the executor `claude` needs a key of the API "
                "(or name another program: --command '…')"
            )
        model, prices = config.get("model") or MODEL, config.get("prices")
        names = config.get("pass_env") or []
        if not isinstance(model, str):
            raise ConfigError("model must be the name of a model")
        if not isinstance(names, list):
            raise ConfigError("pass_env must be a list of names")
        return cls(
            model=model,
            price=Prices.load(Path(str(prices)) if prices else None).of(model),
            max_turns=_max_turns(config.get("max_turns")),
            pass_env=checked((str(name) for name in names), never=_KEYS),
            api_key=api_key,
            auth_token=None if api_key else auth_token,
            base_url=environ.get("ANTHROPIC_BASE_URL", "").strip() or None,
        )


def _max_turns(value: JsonValue) -> int:
    if value is None:
        return MAX_TURNS
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"max_turns must be a number of replies, 1 or more, not {value!r}")
    return value
