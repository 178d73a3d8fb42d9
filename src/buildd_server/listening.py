"""What a server process must hold alone: its port, and the SQLite file it writes."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from buildd.errors import ConfigError
from buildd.store.holding import hold

BACKLOG = 2048
_MEMORY = {None, "", ":memory:"}


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of a host. Raises `ConfigError`, with none left open.

    Port 0 takes any free one, the same for all addresses.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ConfigError(f"--host: there is no address for {host!r}") from None
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as on_error:
        for family, _, _, _, address in found:
            with contextlib.suppress(_NoSuchAddress):
                sockets.append(on_error.enter_context(_bound(family, str(address[0]), port)))
                port = sockets[0].getsockname()[1]
        on_error.pop_all()
    if not sockets:
        raise ConfigError(f"--host: {host} is not an address of this machine")
    return sockets


class _NoSuchAddress(Exception):
    """The machine knows the name but has no such address (IPv6 switched off)."""


def _bound(family: int, address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        if problem.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise _NoSuchAddress from None
        if problem.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} is in use: choose another with --port") from None
        raise ConfigError(f"cannot listen on {address} port {port}: {problem.strerror}") from None


@contextlib.contextmanager
def sole_server(database: str) -> Iterator[None]:
    """Hold a SQLite file against a second server while the block runs. Raises `ConfigError`."""
    path = _sqlite_file(database)
    if path is None:
        yield
        return
    with hold(path):
        yield


def shown(database: str) -> str:
    """A database URL as it may be printed: without its password, wherever it stands."""
    return _url(database).set(query={}).render_as_string(hide_password=True)


def _sqlite_file(database: str) -> Path | None:
    url = _url(database)
    if url.get_backend_name() != "sqlite" or url.database in _MEMORY:
        return None
    return Path(str(url.database)).resolve()


def _url(database: str) -> URL:
    try:
        return make_url(database)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise ConfigError(
            "--database must be a URL such as sqlite:///buildd.db or postgresql://host/name"
        ) from None
