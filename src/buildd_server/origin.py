"""Where a request came from, in the broker's terms: made here and nowhere else."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from buildd.broker import Origin
from buildd.tracing import HEADER, understood
from buildd_server.addresses import client_address

REQUEST_ID = "buildd.request_id"
"""Where in the scope a request's id is found."""


def origin_of(request: HTTPConnection) -> Origin:
    """Who it is from, the request's id, and the trace it belongs to."""
    return Origin(
        address=client_address(request.scope),
        request_id=request.scope.get(REQUEST_ID),
        traceparent=understood(request.headers.get(HEADER)),
    )
