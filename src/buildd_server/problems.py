"""Every error as a problem document: the only place that turns exceptions into responses."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import pydantic_core
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from buildd import errors, wire
from buildd_server.request_ids import HEADER as REQUEST_ID_HEADER
from buildd_server.request_ids import request_id

RETRY_SECONDS = 1
_CLIENT_CLOSED_REQUEST = 499

log = logging.getLogger("buildd.server")


async def on_buildd_error(request: Request, error: errors.BuilddError) -> Response:
    """The problem that the broker, or a check before it, raised."""
    error = for_callers(error)
    return _problem(request, wire.problem_of(error), _headers(error))


def for_callers(error: errors.BuilddError) -> errors.BuilddError:
    """The error as callers are told it. What it says of this machine only the log is told."""
    if error.outward is None:
        return error
    log.warning("%s", error.message)
    kind = type(error) if isinstance(error, errors.Unavailable) else errors.Unavailable
    return kind(error.outward)


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    """What the router says: no such path, or not with this method."""
    if error.status_code == HTTPStatus.NOT_FOUND:
        return await on_buildd_error(request, errors.NotFound("there is nothing at this path"))
    status = HTTPStatus(error.status_code)
    wrong_verb = status is HTTPStatus.METHOD_NOT_ALLOWED
    document = {
        "type": f"urn:buildd:error:{status.name.lower()}",
        "title": status.phrase,
        "status": status.value,
        "detail": f"{request.method} does not apply here" if wrong_verb else error.detail,
        "code": status.name.lower(),
    }
    return _problem(request, document, dict(error.headers or {}))


async def on_disconnect(_request: Request, _error: Exception) -> Response:
    """The client left in the middle of its body; nobody will read this."""
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def on_unexpected(request: Request, _error: Exception) -> Response:
    """A fault of ours: the client learns nothing more, uvicorn logs the traceback."""
    return _problem(request, wire.problem_of(errors.InternalError()), {})


HANDLERS: dict[Any, Any] = {
    errors.BuilddError: on_buildd_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_unexpected,
}


def _headers(error: errors.BuilddError) -> dict[str, str]:
    if isinstance(error, errors.NotAuthenticated):
        return {"www-authenticate": 'Bearer realm="buildd"'}
    if isinstance(error, (errors.RateLimited, errors.Unavailable)):
        return {"retry-after": str(error.details.get("retryAfter", RETRY_SECONDS))}
    return {}


def _problem(request: Request, document: dict[str, Any], headers: dict[str, str]) -> Response:
    named = request_id(request.scope)
    if named is not None:
        # The page of a fault is written outside of all that puts headers into answers.
        document, headers = {**document, "requestId": named}, {**headers, REQUEST_ID_HEADER: named}
    return Response(
        pydantic_core.to_json(document),
        document["status"],
        {"cache-control": "no-store", "x-content-type-options": "nosniff", **headers},
        wire.PROBLEM_JSON,
    )
