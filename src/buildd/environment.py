"""What the core takes from the environment, and the only place that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from buildd.blobs import FileLimits
from buildd.errors import ConfigError
from buildd.lease import LeaseTimes

DEFAULT_SERVER = "http://127.0.0.1:3000"
_MB = 2**20
_MOST_FILE_MB = 2047


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


def blobs(environ: Mapping[str, str] = os.environ) -> str | None:
    """Where the bytes of files are kept: `BUILDD_BLOBS`, a directory or `s3://BUCKET/PREFIX`.

    None for beside the SQLite database. Every broker on one database must have the same. Raises
    `ConfigError`.
    """
    given = environ.get("BUILDD_BLOBS", "").strip()
    if "://" in given and not given.startswith("s3://"):
        raise ConfigError("BUILDD_BLOBS must be a directory, or s3://BUCKET/PREFIX")
    if not given or "://" in given:
        return given or None
    return str(Path(given).expanduser().absolute())


def file_limits(environ: Mapping[str, str] = os.environ) -> FileLimits:
    """How much may be uploaded, in megabytes of 2**20 bytes. Raises `ConfigError`."""
    usual = FileLimits()
    return FileLimits(
        _count(environ, "BUILDD_MAX_FILE_MB", usual.file_bytes // _MB, _MOST_FILE_MB) * _MB,
        _count(environ, "BUILDD_MAX_WORKER_MB", usual.worker_bytes // _MB, 2**30) * _MB,
        _count(environ, "BUILDD_MAX_WORKER_FILES", usual.worker_files, 2**30),
    )


def _count(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or int(text) > most:
        raise ConfigError(f"{name} must be a whole number up to {most}, not {text!r}")
    return int(text)
