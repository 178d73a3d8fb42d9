"""Where a URL that somebody gave us may lead: read in one strict way, and allowed by the address it means.

What a URL seems to say and where a connection ends are different questions. So the first is answered
once, for everybody who looks at it later; and the second about the very address that is connected to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = frozenset({443, 8443})
"""Where anybody may be spoken to; other ports have services that believe what they are told."""
_DEFAULT_PORT = {"http": 80, "https": 443}
_LONGEST, _LONGEST_NAME = 2000, 253
_PRINTABLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Python's own list of what is not global grew over its versions, and leaves out what only relays.
_NOT_PUBLIC = tuple(
    ip_network(each)
    for each in (
        "100.64.0.0/10",  # a provider's, between it and its customers
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "224.0.0.0/3",  # multicast, and what was never given out
        "2001::/23",  # Teredo among them, whose addresses hold an IPv4 one
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)


@dataclass(frozen=True)
class Destination:
    """A URL, taken apart once. Whoever connects uses these parts and never the text again."""

    scheme: str
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int
    target: str
    """The path with its query."""

    @classmethod
    def of(cls, url: str) -> Destination:
        """Read a URL. Raises `ValueError` with what is wrong, never with the URL, which may be secret."""
        if not _PRINTABLE.fullmatch(url) or "\\" in url or len(url) > _LONGEST:
            raise ValueError(
                "must be ASCII without spaces: a name in other letters begins with xn--"
            )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("must be a URL such as https://example.com/path") from None
        if parts.scheme not in _DEFAULT_PORT or not parts.hostname:
            raise ValueError("must be a URL such as https://example.com/path")
        if "@" in parts.netloc:
            raise ValueError("must carry no user or password")
        if "#" in url:
            raise ValueError("must carry no fragment")
        host = _host(parts.hostname, bracketed="[" in parts.netloc)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port or _DEFAULT_PORT[parts.scheme], target)

    @property
    def literal(self) -> Address | None:
        """The host, if it is an address and no name."""
        return _address(self.host)


@dataclass(frozen=True)
class Reach:
    """Where this installation speaks to, when others choose the URL.

    To public addresses by https, on the usual ports; and in any way to the networks that its operator
    has named.
    """

    private: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> Reach:
        """From networks such as `10.0.0.0/8`. Raises `ValueError` that names the wrong one."""
        return cls(tuple(ip_network(each) for each in networks))

    def refusal(self, there: Destination, address: Address) -> str | None:
        """Why a destination is out of reach at that address; None if it is not.

        It does not tell the address: that would answer questions about our network's names.
        """
        meant = _meant(address)
        if any(meant in network for network in self.private):
            return None
        if not is_public(meant):
            return "its address is not a public one (BUILDD_HOOKS_ALLOW names exceptions)"
        if there.scheme != "https":
            return "only https leads to public addresses"
        if there.port not in PORTS:
            return f"only the ports {', '.join(map(str, sorted(PORTS)))} lead to public addresses"
        return None


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large, whatever way it is written in."""
    address = _meant(address)
    if any(address in network for network in _NOT_PUBLIC):
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one is translated to on its way, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _host(host: str, *, bracketed: bool) -> str:
    """A host that means the same to everybody. Raises `ValueError`."""
    if bracketed:
        if "%" in host or not isinstance(_address(host), IPv6Address):
            raise ValueError("has no IPv6 address in its brackets")
        return host
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Some read 2130706433, 0177.1 and 0x7f.1 as addresses, and others as names.
        if not isinstance(_address(host), IPv4Address):
            raise ValueError("has an address that is not written as four decimal numbers")
        return host
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("has a host that is no name in the DNS")
    return host


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
