"""Local mode: which requests without a key are the owner's.

A server on a loopback address that has no administrator's key trusts every process of its machine,
but not the web pages that a browser on it shows, nor what a proxy passes on from elsewhere.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.requests import HTTPConnection

from buildd.loopback import is_loopback
from buildd_server.browsers import SAFE_METHODS, host_origin, is_same_origin

WARNING = (
    "local mode: every process on this machine, agents' children included, is trusted as the "
    "owner; set BUILDD_ADMIN_KEY to ask for keys"
)
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::[0-9]{1,5})?", re.ASCII)


def refusal(request: HTTPConnection) -> str | None:
    """Why a request without a key is not the owner's, or None if it is."""
    if not _from_here(request):
        return "a key is needed from another machine"
    if _forwarded(request):
        return "a key is needed through a proxy"
    if not _names_this_machine(request):
        return "without a key, Host must name this machine (localhost, 127.0.0.1 or [::1])"
    if request.scope["method"] not in SAFE_METHODS and not is_same_origin(
        request, host_origin(request)
    ):
        return "without a key, a web page of another origin may change nothing here"
    return None


def _from_here(request: HTTPConnection) -> bool:
    if request.client is None:
        return False
    try:
        address: IPv4Address | IPv6Address = ip_address(request.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _forwarded(request: HTTPConnection) -> bool:
    return any(
        name in {"forwarded", "via"} or name.startswith("x-forwarded-") for name in request.headers
    )


def _names_this_machine(request: HTTPConnection) -> bool:
    # A page that rebinds its own name to 127.0.0.1 still sends that name.
    hosts = request.headers.getlist("host")
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return match is not None and is_loopback(match["name"].strip("[]"))
