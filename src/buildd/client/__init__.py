"""The way in: a client of a server, or of a broker in this process."""

from buildd.client._async import AsyncClient
from buildd.client._connect import as_async, connect, connect_async
from buildd.client._sync import Client
from buildd.client._transport import AsyncTransport, Transport

__all__ = [
    "AsyncClient",
    "AsyncTransport",
    "Client",
    "Transport",
    "as_async",
    "connect",
    "connect_async",
]
