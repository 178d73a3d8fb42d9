"""What the core takes from the environment, and the only place that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from buildd.errors import ConfigError
from buildd.lease import LeaseTimes

DEFAULT_SERVER = "http://127.0.0.1:3000"


def server() -> str:
    """Where the broker is: `BUILDD_SERVER`, an http(s) or a database URL."""
    return os.environ.get("BUILDD_SERVER", "").strip() or DEFAULT_SERVER


def secret() -> bytes | None:
    """What keys are hashed with, if it is kept outside the database: `BUILDD_SECRET`."""
    return os.environ.get("BUILDD_SECRET", "").strip().encode() or None


def api_key() -> str | None:
    """The key to show to a server: `BUILDD_API_KEY`."""
    return os.environ.get("BUILDD_API_KEY", "").strip() or None


def lease(environ: Mapping[str, str] = os.environ) -> LeaseTimes:
    """The times of a lease, from its time-to-live in seconds: `BUILDD_LEASE_TTL`.

    Every broker on one database should have the same. Raises `ConfigError`.
    """
    ttl = environ.get("BUILDD_LEASE_TTL", "").strip()
    try:
        return LeaseTimes(float(ttl)) if ttl else LeaseTimes()
    except ValueError:
        raise ConfigError(f"BUILDD_LEASE_TTL must be a number of seconds, not {ttl!r}") from None
