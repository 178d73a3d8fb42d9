"""The wire, without any I/O: operations as HTTP requests, errors as problem documents (RFC 9457).

Client and server both use this file, so what one writes the other reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, cast
from urllib.parse import quote

import pydantic_core
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from buildd import errors
from buildd.operations import Operation, Transfer

O = TypeVar("O", bound=Operation[Any] | Transfer)  # noqa: E741 - reads as "operation"

_SAID = {"extra_forbidden": "unknown field", "missing": "is required"}
"""Where pydantic's words would not help somebody who does not know pydantic."""

_SHOWN = {"type", "title", "status", "detail", "code", "message", "requestId"}
"""What a problem document tells besides an error's details."""

PROBLEM_JSON = "application/problem+json"
BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a JSON body; files travel as they are, and have limits of their own."""
MOST_VALUES = 20_000
"""Values in a JSON body, counted before they are made: a few bytes each would become megabytes."""
MOST_TOLD = 50
"""Wrong fields that one answer names."""
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)

STATUS: dict[type[errors.BuilddError], int] = {
    errors.Malformed: 400,
    errors.TooLarge: 413,
    errors.Invalid: 422,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
    errors.ConfigError: 422,
    errors.BuilddError: 500,
}
"""The status of each branch of the error tree; a class without a row has its parent's."""


@dataclass(frozen=True)
class Request:
    """An operation on its way: what an HTTP client needs to send it."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes | None
    headers: dict[str, str]


def encode(operation: Operation[Any] | Transfer) -> Request:
    """The request that carries an operation: path fields, then a query (GET) or a JSON body.

    Of a file that is uploaded, the body is its bytes: all that is said about it is in the query.
    """
    http = operation.http
    fields = operation.model_dump(mode="json", exclude_unset=True, by_alias=True)
    path = http.path
    for name in http.path_fields:
        path = path.replace(f"{{{name}}}", quote(str(fields.pop(to_camel(name))), safe=""))
    given = ((header, fields.pop(to_camel(name), None)) for name, header in http.headers)
    headers = {header: value for header, value in given if value is not None}
    if _in_query(type(operation)):
        query = {name: str(value) for name, value in fields.items() if value is not None}
        return Request(http.method.value, path, query, None, headers)
    body = pydantic_core.to_json(fields) if fields else None
    return Request(http.method.value, path, {}, body, headers)


def decode(
    operation: type[O],
    path: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> O:
    """The operation a request asks for. Raises `Invalid` that names each wrong field."""
    fields = dict(query) if _in_query(operation) else {**_no_query(query), **_object(body)}
    for name, header in operation.http.headers:
        if to_camel(name) in fields:
            raise errors.Invalid.field(to_camel(name), f"travels in the header {header}")
        if header in headers:
            fields[to_camel(name)] = headers[header]
    for name in operation.http.path_fields:
        if to_camel(name) in fields:
            raise errors.Invalid.field(to_camel(name), "is given by the path")
        fields[to_camel(name)] = path[name]
    try:
        decoded: Any = operation.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as problem:
        raise invalid(problem) from None
    return cast("O", decoded)


def _in_query(kind: type[Any]) -> bool:
    return issubclass(kind, Transfer) or bool(kind.reads())


def invalid(problem: ValidationError) -> errors.Invalid:
    """A pydantic error in buildd's words: one field and message each."""
    found = [
        {
            "field": ".".join(str(part) for part in each["loc"]) or "body",
            "message": _SAID.get(each["type"]) or each["msg"].removeprefix("Value error, "),
        }
        for each in problem.errors(include_url=False, include_input=False, include_context=False)[
            :MOST_TOLD
        ]
    ]
    said = "; ".join(f"{each['field']}: {each['message']}" for each in found)
    if problem.error_count() > MOST_TOLD:
        said += f"; and {problem.error_count() - MOST_TOLD} more"
    return errors.Invalid(said, errors=found)


def status_of(error: errors.BuilddError) -> int:
    """The HTTP status that goes with an error."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def problem_of(error: errors.BuilddError) -> dict[str, Any]:
    """An error as a problem document; `code` is the stable part."""
    title = (type(error).__doc__ or "").strip().splitlines()[0]
    return {
        **error.details,
        "type": f"urn:buildd:error:{error.code}",
        "title": title,
        "status": status_of(error),
        "detail": error.message,
        "code": error.code,
    }


def error_of(status: int, document: Any) -> errors.BuilddError:
    """The error a response stands for: the class that the broker raised, or the nearest one."""
    problem = document if isinstance(document, dict) else {}
    code = problem.get("code")
    known = errors.by_code(code) if isinstance(code, str) else None
    cls = known or next((c for c, number in STATUS.items() if number == status), errors.BuilddError)
    message = problem.get("detail") or f"the server answered {status}"
    details = {str(k): v for k, v in problem.items() if k not in _SHOWN}
    error = cls(str(message), **details)
    error.request_id = str(problem["requestId"]) if "requestId" in problem else None
    return error


def _no_query(query: Mapping[str, str]) -> dict[str, Any]:
    for name in query:
        raise errors.Invalid.field(name, "this verb takes its fields in the body")
    return {}


def _object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    check_values(body)
    try:
        value = pydantic_core.from_json(body, allow_inf_nan=False)
    except (ValueError, RecursionError) as problem:
        raise errors.Malformed(f"the body is not valid JSON: {problem}") from None
    if not isinstance(value, dict):
        raise errors.Invalid.field("body", "must be a JSON object")
    return value


def check_values(body: bytes) -> None:
    """Raises `TooLarge` for JSON of too many values.

    What separates values also stands in texts, which are left out if need be: if they are not too
    many themselves, of which each value may have one and be named by another.
    """
    if _separators(body) <= MOST_VALUES:
        return
    quotes = body.count(b'"') - body.count(b'\\"')
    many = quotes > 2 * 2 * MOST_VALUES
    if many or _separators(_STRING.sub(b"", body, count=2 * MOST_VALUES)) > MOST_VALUES:
        raise errors.TooLarge(f"the body holds more than {MOST_VALUES} values")


def _separators(text: bytes) -> int:
    return sum(map(text.count, (b",", b"[", b"{")))
