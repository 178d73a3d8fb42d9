"""Swapping an enrolment token for a key of its account: once, and never to be asked for again.

A machine is given a token that is good once, and for minutes. The key that it brings is kept in a
private file, so that an agent which is started again with the same used token finds it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from buildd.agent.locks import exclusive
from buildd.agent.retry import persist
from buildd.client import AsyncClient
from buildd.errors import ConfigError, NotAuthenticated


async def account_key(client: AsyncClient, token: str, state_dir: Path) -> str:
    """The account key that a token stands for; `client` speaks under the token.

    Waits while the server is away. Raises `NotAuthenticated` for a token that is not good any more,
    and `ConfigError` where the key could not be kept.
    """
    name = hashlib.sha256(token.encode()).hexdigest()
    kept = state_dir / "keys" / name
    try:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with exclusive(kept.with_suffix(".lock")):
            if kept.exists():
                return kept.read_text()
            # Before the swap: a key that cannot be kept would be lost with its token.
            with tempfile.NamedTemporaryFile(dir=kept.parent) as place:
                place.write(bytes(4096))
            key = await _swap(client)
            _keep(kept, key)
            return key
    except OSError as problem:
        raise ConfigError(f"{kept.parent}: {problem.strerror}") from None


async def _swap(client: AsyncClient) -> str:
    try:
        return (await persist(client.accounts.enrol)).api_key
    except NotAuthenticated as problem:
        raise NotAuthenticated(
            f"{problem.message}; `buildd accounts enrol` makes another enrolment token"
        ) from None


def _keep(path: Path, key: str) -> None:
    """Write a private file in one step, which a power cut does not undo."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
