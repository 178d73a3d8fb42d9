"""Where the model's API is, and who pays: the same for every executor that asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildd.errors import ConfigError

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""The variables that open it; the second is for gateways."""
_VENDOR = "https://api.anthropic.com"


@dataclass(frozen=True)
class ModelApi:
    """An address of the Messages API, with the one credential that it takes."""

    url: str = _VENDOR
    api_key: str | None = field(default=None, repr=False)
    auth_token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str], executor: str) -> ModelApi:
        """What the environment names. Raises `ConfigError` where that is no credential."""
        api_key, auth_token = (environ.get(name, "").strip() or None for name in KEYS)
        if api_key is None and auth_token is None:
            raise ConfigError(
                f"{KEYS[0]} is not set: the executor `{executor}` needs a key of the API "
                "(or name another program: --command '…')"
            )
        url = environ.get("ANTHROPIC_BASE_URL", "").strip() or _VENDOR
        return cls(url, api_key, None if api_key else auth_token)

    @property
    def headers(self) -> dict[str, str]:
        """What opens it, as it travels."""
        if self.api_key is not None:
            return {"x-api-key": self.api_key}
        return {"authorization": f"Bearer {self.auth_token}"} if self.auth_token else {}
