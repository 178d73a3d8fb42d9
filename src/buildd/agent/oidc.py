"""Logging in from GitHub Actions without a stored key: GitHub itself says which run this is.

The run asks GitHub for a token that names it, and is meant for this server. The server swaps it for
one that can claim the task that the run was started for, and nothing else.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildd import wire
from buildd.errors import BuilddError, ConfigError, Unavailable
from buildd.loopback import is_loopback

if TYPE_CHECKING:
    import httpx2

_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between tries, while GitHub or the server is away."""
_TIMEOUT = 30.0


def key_of_run(server: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """An acquisition token for the run this process is part of; None where it is part of none.

    Waits half a minute for a server that is away. Raises `NotAuthenticated` if it refuses, and
    `ConfigError` if the job may not identify itself or was not started by buildd.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return None
    address, bearer = (environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{each}") for each in ("URL", "TOKEN"))
    if not address or not bearer:
        raise ConfigError(
            "this job may not log in: give it `permissions: id-token: write`, or set BUILDD_API_KEY"
        )
    launch = _launch(environ.get("GITHUB_EVENT_PATH"))
    for pause in _PAUSES:
        try:
            return _swapped(server, launch, _token(address, bearer, server))
        except Unavailable:
            time.sleep(pause)
    return _swapped(server, launch, _token(address, bearer, server))


def _launch(path: str | None) -> str:
    """The launch that the run was dispatched for: the part of `launch` behind the mark."""
    try:
        event = json.loads(Path(path).read_bytes()) if path else {}
        named = (event.get("client_payload") or event.get("inputs") or {}).get("launch")
    except (OSError, ValueError, AttributeError) as problem:
        raise ConfigError(f"GITHUB_EVENT_PATH cannot be read: {problem}") from None
    if not isinstance(named, str) or not named:
        raise ConfigError(
            "this run was not started by buildd, so there is nothing to log in for: its event names "
            "no launch (to start runs yourself, set BUILDD_API_KEY)"
        )
    return named.rpartition("/")[2]


def _token(address: str, bearer: str, server: str) -> str:
    """What GitHub signs for this run and this server. Each is good for one login."""
    answer = _ask(
        "GET",
        address,
        "GitHub",
        params={"audience": server.rstrip("/")},
        headers={"Authorization": f"Bearer {bearer}"},
    )
    return _masked(answer.get("value"), "GitHub")


def _swapped(server: str, launch: str, token: str) -> str:
    url = f"{server.rstrip('/')}/api/auth/github-oidc"
    answer = _ask("POST", url, server, json={"token": token, "launchId": launch})
    return _masked(answer.get("token"), server)


def _ask(method: str, url: str, who: str, **fields: Any) -> dict[str, Any]:
    import httpx2

    address = httpx2.URL(url)
    params = {**address.params, **fields.pop("params", {})}
    try:
        with httpx2.Client(timeout=_TIMEOUT, trust_env=not is_loopback(address.host)) as client:
            answer = client.request(method, address.copy_with(params=params), **fields)
    except httpx2.HTTPError as problem:
        raise Unavailable(f"{who} does not answer ({type(problem).__name__})") from None
    return _read(answer, who)


def _read(answer: httpx2.Response, who: str) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    if answer.status_code == HTTPStatus.OK and isinstance(said, dict):
        return said
    status = answer.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Unavailable(f"{who} cannot do that now ({status})")
    if isinstance(said, dict) and "code" in said:
        raise wire.error_of(status, said)
    raise BuilddError(f"{who} did not let this run log in ({status})")


def _masked(secret: Any, who: str) -> str:
    """A secret that the run's log will show as `***`, whoever writes it there."""
    if not isinstance(secret, str) or not secret.isascii() or not secret.isprintable():
        raise BuilddError(f"{who} answered without a token")
    print(f"::add-mask::{secret}", flush=True)  # noqa: T201 - a command to the runner
    return secret
