"""Where a request came from, in the broker's terms: made here and nowhere else."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from buildd.broker import Origin

REQUEST_ID = "buildd.request_id"
"""Where in the scope a request's id is found."""


def origin_of(request: HTTPConnection) -> Origin:
    """Who the peer is, the request's id, and the trace it belongs to."""
    return Origin(
        address=request.client.host if request.client else None,
        request_id=request.scope.get(REQUEST_ID),
        traceparent=request.headers.get("traceparent"),
    )
