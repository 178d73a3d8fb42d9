"""Which hosts are this machine: no proxy can reach them for us, and nobody listens in between."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address, without brackets or port, means this machine."""
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return (host or "").lower() == "localhost"
