"""All that can be set about a server, in one frozen object; nothing else reads the environment."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from buildd import environment
from buildd.blobs import FileLimits
from buildd.destinations import Reach
from buildd.errors import ConfigError
from buildd.lease import LeaseTimes
from buildd.loopback import is_loopback
from buildd.retention import Retention
from buildd_server.addresses import Proxies, proxies

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 3000
DEFAULT_KEEP_EVENTS_DAYS = 30.0
DEFAULT_RATE_LIMIT = 100.0
LOWEST_RATE_LIMIT, HIGHEST_RATE_LIMIT = 0.1, 1_000_000
MOST_DAYS = 36_500
DEFAULT_DATABASE = "sqlite:///buildd.db"
GITHUB_SETTINGS = ("token", "app_id", "app_key_file", "api")
"""What is set about GitHub, each as `BUILDD_GITHUB_…` in the environment and nowhere else."""
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
LOG_LEVELS = {
    name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")
}


class LogFormat(StrEnum):
    """How a line of the log is written."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True)
class Settings:
    """Where a server listens, what it stores in, and its secrets."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    database: str = DEFAULT_DATABASE
    admin_key: str | None = field(default=None, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    retention: Retention = field(default_factory=Retention)
    blobs: str | Path | None = None
    """Where the bytes of files are kept; None for beside the SQLite file, and on Postgres nowhere."""
    file_limits: FileLimits = field(default_factory=FileLimits)
    github: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The server's credentials at GitHub, if it has any: what the forge `github` is made from."""
    public_url: str | None = None
    """The URL at which agents elsewhere reach the server; None: as this machine does."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """The server's environment, of which pools hand on to their agents what they name."""
    reach: Reach = field(default_factory=Reach)
    """Where hooks may lead."""
    rate_limit: float = DEFAULT_RATE_LIMIT
    """Requests per second of each key, and of each address without one; 0 for any number."""
    trusted_proxies: Proxies = ()
    """Whose word is taken for where a request came from."""
    github_issuer: str = GITHUB_ISSUER
    """Who signs the tokens by which runs of GitHub Actions log in."""
    log_level: int = logging.INFO
    log_format: LogFormat | None = None
    """None: text at a terminal, else JSON."""

    @classmethod
    def of(cls, environ: Mapping[str, str], *, host: str, port: int, database: str) -> Settings:
        """Settings from flags and, for what must never stand in an argv, the environment.

        Raises `ConfigError`.
        """
        secret = _given(environ, "BUILDD_SECRET")
        form = _one_of(environ, "BUILDD_LOG_FORMAT", tuple(LogFormat))
        return cls(
            host=host,
            port=port,
            database=database,
            admin_key=_given(environ, "BUILDD_ADMIN_KEY"),
            secret=None if secret is None else secret.encode(),
            lease=environment.lease(environ),
            retention=Retention(
                events=_days(environ, "BUILDD_KEEP_EVENTS_DAYS", DEFAULT_KEEP_EVENTS_DAYS),
                tasks=_days(environ, "BUILDD_KEEP_TASKS_DAYS", None),
            ),
            blobs=environment.blobs(environ),
            file_limits=environment.file_limits(environ),
            github=_github(environ),
            public_url=_url(environ, "BUILDD_PUBLIC_URL"),
            environ=dict(environ),
            reach=_reach(environ),
            rate_limit=_rate_limit(environ),
            trusted_proxies=proxies(_given(environ, "BUILDD_TRUSTED_PROXIES")),
            github_issuer=_issuer(environ),
            log_level=LOG_LEVELS[_one_of(environ, "BUILDD_LOG_LEVEL", LOG_LEVELS) or "info"],
            log_format=LogFormat(form) if form else None,
        )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return is_loopback(self.host)


def _given(environ: Mapping[str, str], name: str) -> str | None:
    # An empty line of a .env file means "not set".
    return environ.get(name, "").strip() or None


def _one_of(environ: Mapping[str, str], name: str, known: Iterable[str]) -> str | None:
    text = _given(environ, name)
    if text is not None and text.lower() not in known:
        raise ConfigError(f"{name} must be one of {', '.join(known)}, not {text!r}")
    return text and text.lower()


def _url(environ: Mapping[str, str], name: str) -> str | None:
    text = _given(environ, name)
    if text is None:
        return None
    if _scheme(text) not in {"http", "https"}:
        raise ConfigError(f"{name} must be an http(s) URL such as https://buildd.example.com")
    return text.rstrip("/")


def _scheme(url: str) -> str | None:
    """The scheme of a URL with a host, and without user, query and fragment; None for another one."""
    try:
        parts = urlsplit(url)
        plain = not (parts.username or parts.query or parts.fragment)
        return parts.scheme if parts.hostname and plain else None
    except ValueError:
        return None


def _github(environ: Mapping[str, str]) -> dict[str, str]:
    given = {name: _given(environ, f"BUILDD_GITHUB_{name.upper()}") for name in GITHUB_SETTINGS}
    found = {name: value for name, value in given.items() if value is not None}
    # An address alone opens nothing.
    return found if found.keys() - {"api"} else {}


def _issuer(environ: Mapping[str, str]) -> str:
    issuer = _given(environ, "BUILDD_GITHUB_OIDC_ISSUER") or GITHUB_ISSUER
    scheme = _scheme(issuer)
    if scheme != "https" and not (scheme == "http" and is_loopback(urlsplit(issuer).hostname)):
        raise ConfigError("BUILDD_GITHUB_OIDC_ISSUER must look like https://HOST/_services/token")
    return issuer.rstrip("/")


def _rate_limit(environ: Mapping[str, str]) -> float:
    text = _given(environ, "BUILDD_RATE_LIMIT")
    try:
        rate = DEFAULT_RATE_LIMIT if text is None else float(text)
    except ValueError:
        rate = -1
    if rate != 0 and not LOWEST_RATE_LIMIT <= rate <= HIGHEST_RATE_LIMIT:
        raise ConfigError(
            f"BUILDD_RATE_LIMIT must be requests per second of one key, or 0 for no limit, not {text!r}"
        )
    return rate


def _reach(environ: Mapping[str, str]) -> Reach:
    networks = (_given(environ, "BUILDD_HOOKS_ALLOW") or "").split(",")
    try:
        return Reach.of(each.strip() for each in networks if each.strip())
    except ValueError as problem:
        raise ConfigError(
            f"BUILDD_HOOKS_ALLOW must be networks such as 10.0.0.0/8,fd00::/8: {problem}"
        ) from None


def _days(environ: Mapping[str, str], name: str, default: float | None) -> timedelta | None:
    text = _given(environ, name)
    try:
        days = default if text is None else float(text)
    except ValueError:
        days = -1
    if days is not None and not 0 <= days <= MOST_DAYS:
        raise ConfigError(
            f"{name} must be a number of days up to {MOST_DAYS}, or 0 for ever, not {text!r}"
        )
    return timedelta(days=days) if days else None
