"""Whose address a request counts as: its peer's or, behind proxies of the owner, the one they name."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from buildd.errors import ConfigError

if TYPE_CHECKING:
    # The settings are read before the web framework is loaded.
    from starlette.types import Scope

ADDRESS = "buildd.address"
"""Where in the scope the address of a request is found."""
_FORWARDED = b"x-forwarded-for"
_NEIGHBOURS = 64
"""Bits of an IPv6 address that tell one customer of a network from another."""

Proxies = tuple[IPv4Network | IPv6Network, ...]


def proxies(text: str | None) -> Proxies:
    """The networks in a list such as `10.0.0.0/8, ::1`. Raises `ConfigError`."""
    try:
        return tuple(ip_network(each.strip()) for each in (text or "").split(",") if each.strip())
    except ValueError as problem:
        raise ConfigError(
            f"BUILDD_TRUSTED_PROXIES: {problem}; write networks such as 10.0.0.0/8, ::1"
        ) from None


def client_address(scope: Scope) -> str | None:
    """Where a request came from, as the server sees it; None where it came over no network."""
    address: str | None = scope.get(ADDRESS) or _peer(scope)
    return address


def seen_through(trusted: Proxies, scope: Scope) -> str | None:
    """The address that a request comes from, if each proxy on its way that is trusted told the truth.

    A proxy adds whom it heard a request from at the end of `X-Forwarded-For`; what stands before the
    last address that is no proxy of ours may be invented.
    """
    address = _peer(scope)
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED]
    named = ",".join(lines).split(",")
    while address and named and _within(trusted, address):
        before = _plain(named.pop())
        if before is None:
            break
        address = before
    return address


def household(address: str | None) -> str:
    """What is limited together: an IPv4 address, or the network that one customer has of IPv6."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _NEIGHBOURS), strict=False))
    return str(found)


def _peer(scope: Scope) -> str | None:
    client = scope.get("client")
    return (_plain(client[0]) or client[0]) if client else None


def _within(trusted: Proxies, address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in each for each in trusted)


def _plain(text: str) -> str | None:
    """An address without what else a proxy may write, such as its port; None if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
