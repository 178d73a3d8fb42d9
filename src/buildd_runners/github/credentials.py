"""Who the server is to GitHub: a token, or an App that gets short-lived ones for one repository's owner.

They stay in this process: no agent, URL, log or error ever holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import jwt
from github import Auth, Github, GithubIntegration
from pydantic import JsonValue

from buildd.errors import ConfigError
from buildd.loopback import is_loopback

PUBLIC_API = "https://api.github.com"

_TIMEOUT = 10
"""Seconds for each of the few requests of a call, so that a client still waits for the answer."""


@dataclass(frozen=True)
class Credentials:
    """Opens clients of GitHub's API, on github.com or on an installation's own host."""

    auth: Auth.Token | Auth.AppAuth = field(repr=False)
    api: str = PUBLIC_API

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> Self:
        """From `token`, or `app_id` and `app_key_file`, and `api`. Raises `ConfigError`."""
        given = {name: str(value).strip() for name, value in config.items()}
        api = (given.get("api") or PUBLIC_API).rstrip("/")
        _check_api(api)
        return cls(_auth(given), api)

    @property
    def host(self) -> str:
        """The host that clones of its repositories name."""
        return (urlsplit(self.api).hostname or "").removeprefix("api.")

    @contextmanager
    def client(self, owner: str, name: str, permissions: Mapping[str, str]) -> Iterator[Github]:
        """A client for one repository, for one thread. GitHub is asked for a token if need be.

        The token of an App can do no more than the permissions say.
        """
        # No retries here: who asked knows how long it can wait, and asks again.
        settings: dict[str, Any] = {
            "base_url": self.api,
            "timeout": _TIMEOUT,
            "retry": None,
            "seconds_between_requests": None,
            "seconds_between_writes": None,
        }
        if isinstance(self.auth, Auth.Token):
            with Github(auth=self.auth, **settings) as github:
                yield github
            return
        with GithubIntegration(auth=self.auth, **settings) as app:
            installation = app.get_repo_installation(owner, name).id
            with app.get_github_for_installation(installation, dict(permissions)) as github:
                yield github


def _auth(given: Mapping[str, str]) -> Auth.Token | Auth.AppAuth:
    token, app, file = (given.get(name) for name in ("token", "app_id", "app_key_file"))
    if token and (app or file):
        raise ConfigError("set BUILDD_GITHUB_TOKEN or BUILDD_GITHUB_APP_ID, not both")
    if token:
        return Auth.Token(token)
    if not app or not file:
        missing = "BUILDD_GITHUB_APP_KEY_FILE" if app else "BUILDD_GITHUB_APP_ID"
        raise ConfigError(f"{missing} is missing: a GitHub App has an id and a private key")
    key = _read(file) or "empty"
    auth = Auth.AppAuth(app, key)
    try:
        auth.create_jwt()
    except (ValueError, TypeError, jwt.PyJWTError):
        raise ConfigError("BUILDD_GITHUB_APP_KEY_FILE holds no RSA private key in PEM") from None
    return auth


def _read(file: str) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="ascii")
    except OSError as problem:
        raise ConfigError(f"BUILDD_GITHUB_APP_KEY_FILE: {problem.strerror}") from None
    except UnicodeDecodeError:
        return ""


def _check_api(api: str) -> None:
    try:
        parts = urlsplit(api)
        plain = bool(parts.hostname) and not (parts.username or parts.query or parts.fragment)
        here = parts.scheme == "http" and is_loopback(parts.hostname)
        fits = plain and (parts.scheme == "https" or here)
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError("BUILDD_GITHUB_API must look like https://HOST/api/v3")
