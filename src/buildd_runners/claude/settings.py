"""What the `claude` executor is told: its model, its limits, and how it reaches the API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from buildd.errors import ConfigError
from buildd_runners.claude.prices import Price, Prices
from buildd_runners.environment import named
from buildd_runners.model_api import KEYS, ModelApi

MODEL = "claude-opus-5-5"
"""The model that works unless another is named."""
MAX_TURNS = 200
"""Replies of the model that one attempt may take unless another number is given."""


@dataclass(frozen=True)
class ClaudeSettings:
    """How one `claude` executor works."""

    api: ModelApi
    model: str
    price: Price
    max_turns: int = MAX_TURNS
    pass_env: tuple[str, ...] = ()
    """Variables of the agent that the model's commands may see."""

    @classmethod
    def load(
        cls, config: Mapping[str, JsonValue], environ: Mapping[str, str] = os.environ
    ) -> ClaudeSettings:
        """Made of `model`, `max_turns`, `prices` and `pass_env`, and the key in the environment.

        Raises `ConfigError` for what is missing or wrong, before anything is claimed.
        """
        api = ModelApi.of(environ, "claude")
        model, prices = config.get("model") or MODEL, config.get("prices")
        if not isinstance(model, str):
            raise ConfigError("model must be the name of a model")
        return cls(
            api=api,
            model=model,
            price=Prices.load(Path(str(prices)) if prices else None).of(model),
            max_turns=max_turns(config) or MAX_TURNS,
            pass_env=named(config, never=KEYS),
        )


def max_turns(config: Mapping[str, JsonValue]) -> int | None:
    """How many replies of the model a configuration allows, if it says so. Raises `ConfigError`."""
    value = config.get("max_turns")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"max_turns must be a number of replies, 1 or more, not {value!r}")
    return value
