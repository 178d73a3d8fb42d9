"""From a URL to a client: the one place that tells a server from a broker in this process.

A transport is loaded when its kind of URL is met: to block on a server's answer takes no `asyncio`,
and that would add 25 ms to every command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from buildd import environment
from buildd.client._async import AsyncClient
from buildd.client._sync import Client
from buildd.client._transport import checked
from buildd.errors import ConfigError

if TYPE_CHECKING:
    from buildd.client._embedded import Embedding

HTTP = {"http", "https"}
DATABASES = {"sqlite", "postgres", "postgresql"}
FORMS = "http://…, https://…, sqlite:///… or postgresql://…"


def connect(url: str | None = None, *, api_key: str | None = None) -> Client:
    """A client of the server, or of the database, at a URL.

    An http(s) URL is a server; `sqlite:///path` and `postgresql://…` open the database in this
    process, made or upgraded if need be. Without a URL it is `BUILDD_SERVER`, else
    http://127.0.0.1:3000. The key to a server is `BUILDD_API_KEY` unless given. On a database, no
    key means its owner.

    Raises `ConfigError` for a URL or key that cannot be one. A server is first spoken to when
    something is asked of it.
    """
    address = (url or environment.server()).strip()
    if not _is_server(address):
        from buildd.client._embedded import EmbeddedTransport

        key = _key(api_key)
        return Client(EmbeddedTransport(_embed(address), key, owns=True))
    from buildd.client._http_sync import HttpTransport

    return Client(HttpTransport(address, _key(api_key, environment.api_key())))


def connect_async(url: str | None = None, *, api_key: str | None = None) -> AsyncClient:
    """As `connect`, for an event loop. Opening a database blocks for a moment."""
    address = (url or environment.server()).strip()
    if not _is_server(address):
        from buildd.client._embedded import AsyncEmbeddedTransport

        key = _key(api_key)
        return AsyncClient(AsyncEmbeddedTransport(_embed(address), key, owns=True))
    from buildd.client._http_async import AsyncHttpTransport

    return AsyncClient(AsyncHttpTransport(address, _key(api_key, environment.api_key())))


def as_async(client: Client) -> AsyncClient:
    """The same broker and key for an event loop. It opens no second broker, and closes none."""
    from buildd.client._embedded import AsyncEmbeddedTransport, EmbeddedTransport

    transport = client.transport
    if isinstance(transport, EmbeddedTransport):
        return AsyncClient(AsyncEmbeddedTransport(transport.embedding, transport.key))
    from buildd.client._http_async import AsyncHttpTransport
    from buildd.client._http_sync import HttpTransport

    if isinstance(transport, HttpTransport):
        return AsyncClient(AsyncHttpTransport(transport.address, transport.key))
    raise ConfigError("only a client made by buildd.connect has an asynchronous counterpart")


def _embed(address: str) -> Embedding:
    from buildd.broker import Broker, BrokerSettings
    from buildd.client._embedded import Embedding

    settings = BrokerSettings(
        lease=environment.lease(),
        secret=environment.secret(),
        blobs=environment.blobs(),
        file_limits=environment.file_limits(),
    )
    return Embedding(Broker.open(address, settings))


def _is_server(address: str) -> bool:
    """Whether it is a server's URL. No error repeats it, because it may hold a password."""
    try:
        parts = urlsplit(address)
        if parts.scheme in DATABASES:
            return False
        _ = parts.port
    except ValueError:
        raise ConfigError(f"the broker's URL is malformed; it looks like {FORMS}") from None
    if parts.scheme not in HTTP:
        raise ConfigError(f"the broker's URL must look like {FORMS}")
    _check_server(parts)
    return True


def _check_server(parts: SplitResult) -> None:
    if not parts.hostname:
        raise ConfigError("the server's URL names no host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            "the server's URL may hold a host, a port and a path only: "
            "the key goes into api_key or BUILDD_API_KEY"
        )


def _key(given: str | None, default: str | None = None) -> str | None:
    key = default if given is None else given
    return None if key is None else checked(key)
