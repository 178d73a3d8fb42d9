"""Calls to URLs that others chose: each goes to the very address that was allowed, and nowhere else.

The name is looked up once. No redirect is followed, no proxy or credential of this machine's is used,
and of the answer nothing but its status is looked at. Reading and writing HTTP and TLS is httpcore2's,
which lets one choose what it connects to, so that the name stays in the certificate check and in `Host`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from ipaddress import ip_address
from typing import Any

import anyio
import anyio.to_thread
import httpcore2

from buildd.destinations import Address, Destination, Reach
from buildd.errors import Forbidden, Unavailable

Resolve = Callable[[Destination], Awaitable[Sequence[Address]]]
"""Looks up the addresses of a destination. Raises `OSError` if it has none."""

_CONNECT, _ANSWER = 5.0, 15.0
_MOST_ADDRESSES = 4
_USER_AGENT = "buildd"


async def look_up(there: Destination) -> list[Address]:
    """The addresses of a destination, as this machine knows them."""
    found = await anyio.to_thread.run_sync(
        lambda: socket.getaddrinfo(there.host, there.port, type=socket.SOCK_STREAM),
        abandon_on_cancel=True,
    )
    return list(dict.fromkeys(ip_address(each[4][0]) for each in found))


class Outbound:
    """Sends what others asked for to where they asked for it, within the reach of this installation."""

    def __init__(
        self,
        reach: Reach,
        resolve: Resolve = look_up,
        certificates: Callable[[], ssl.SSLContext] = httpcore2.default_ssl_context,
    ) -> None:
        self._reach = reach
        self._resolve = resolve
        self._certificates = certificates

    async def post(self, there: Destination, headers: Mapping[str, str], body: bytes) -> int:
        """POST a body, and give the status of the answer.

        Raises `Forbidden` for a destination out of reach, else `Unavailable`. Neither tells an address.
        """
        addresses = await self._allowed(there)
        sent = [("Host", _authority(there)), ("User-Agent", _USER_AGENT), *headers.items()]
        try:
            async with (
                httpcore2.AsyncConnectionPool(
                    ssl_context=self._tls if there.scheme == "https" else None,
                    max_connections=1,
                    network_backend=_Pinned(addresses),
                ) as pool,
                pool.stream(
                    "POST",
                    httpcore2.URL(
                        scheme=there.scheme, host=there.host, port=there.port, target=there.target
                    ),
                    headers=sent,
                    content=body,
                    extensions={"timeout": _TIMES},
                ) as answer,
            ):
                return answer.status
        except httpcore2.TimeoutException:
            raise Unavailable("no answer in time") from None
        except httpcore2.ConnectError as problem:
            raise Unavailable(_why_not_connected(problem)) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            raise Unavailable("the connection broke") from None

    async def _allowed(self, there: Destination) -> Sequence[Address]:
        try:
            found = [there.literal] if there.literal else await self._resolve(there)
        except (OSError, UnicodeError):
            raise Unavailable("its name is not known") from None
        # One that is out of reach makes all of them suspect: names of honest services have none.
        for address in found:
            refusal = self._reach.refusal(there, address)
            if refusal is not None:
                raise Forbidden(refusal)
        if not found:
            raise Unavailable("its name has no address")
        return found[:_MOST_ADDRESSES]

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # They take a twentieth of a second to load.
        return self._certificates()


class _Pinned(httpcore2.AsyncNetworkBackend):
    """Connects to the addresses it was made for, whatever name it is asked for."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """The first of the addresses that answers. Raises what the last one brought."""
        del host
        problem: Exception = httpcore2.ConnectError()
        for address in self._addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        raise problem


_TIMES = {"connect": _CONNECT, "read": _ANSWER, "write": _ANSWER, "pool": _CONNECT}


def _authority(there: Destination) -> str:
    host = f"[{there.host}]" if ":" in there.host else there.host
    usual = there.port == {"http": 80, "https": 443}[there.scheme]
    return host if usual else f"{host}:{there.port}"


def _why_not_connected(problem: BaseException) -> str:
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS as it should"
        cause = cause.__cause__ or cause.__context__
    return "it cannot be reached"
