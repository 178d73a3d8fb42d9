"""What the core takes from the environment, and the only place that reads it."""

from __future__ import annotations

import os

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
