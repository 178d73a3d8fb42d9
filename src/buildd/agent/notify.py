"""What a systemd service, an agent or the server, tells systemd: that it is ready, lives, and ends.

The protocol is a datagram to the socket that `NOTIFY_SOCKET` names. Without one nothing is told.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable

import anyio

from buildd.clock import elapsed
from buildd.errors import BuilddError

log = logging.getLogger(__name__)

_SOCKET = "NOTIFY_SOCKET"
_WATCHDOG = "WATCHDOG_USEC"
_SHARE = 4
"""So many times within the watchdog's patience it is fed: one lost answer must not end an agent."""


def tell(state: str) -> None:
    """Send one state, such as `READY=1`; that nobody hears it is no trouble of the service's."""
    address = os.environ.get(_SOCKET)
    if not address:
        return
    if address.startswith("@"):  # Linux's names without a file begin with a zero byte.
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.settimeout(0)
            told.sendto(state.encode(), address)
    except OSError as problem:
        log.debug("%s: %s", _SOCKET, problem.strerror)


def patience() -> float | None:
    """Seconds after which systemd ends a service that is silent; None: it does not watch."""
    watched = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    microseconds = os.environ.get(_WATCHDOG, "")
    return int(microseconds) / 1e6 if watched and microseconds.isdecimal() else None


async def feed(ask: Callable[[], Awaitable[object]]) -> None:
    """Tell the watchdog, for ever, that the service lives: whenever what it asks has just answered."""
    seconds = patience()
    while seconds:
        asked = elapsed()
        try:
            with anyio.fail_after(seconds / _SHARE):
                await ask()
            tell("WATCHDOG=1")
        except (BuilddError, TimeoutError) as problem:
            log.debug("the watchdog is not fed: %s", problem)
        await anyio.sleep(max(0.0, seconds / _SHARE - (elapsed() - asked)))
