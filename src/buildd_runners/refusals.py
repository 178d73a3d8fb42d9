"""What a refusal by the model's API means for an attempt, the same for every executor that asks it."""

from __future__ import annotations

from buildd.errors import ConfigError
from buildd.roles import Failed

API_ERROR = "api_error"

_FIXES = {
    401: "the model's API refused the key: check ANTHROPIC_API_KEY where this agent runs",
    402: "the model's API wants to be paid: check the billing of the key in ANTHROPIC_API_KEY",
    403: "the key in ANTHROPIC_API_KEY may not use this model",
    404: "the model's API does not know this model: name another with --model",
}
_HOPELESS = frozenset({400, 413, 422})
"""What it answers to a request that it would refuse again."""


def refused(status: int | None, said: str) -> Failed:
    """How the attempt ends; `status` is that of HTTP, None where there was no answer.

    Raises `ConfigError` with the fix where the agent's next task would be refused too.
    """
    if status in _FIXES:
        raise ConfigError(f"{_FIXES[status]} ({said})")
    hopeless = status in _HOPELESS
    what = "refused the request" if hopeless else "is overloaded or away"
    code = "" if status is None else f" ({status})"
    return Failed(f"the model's API {what}{code}: {said}", retryable=not hopeless, code=API_ERROR)
