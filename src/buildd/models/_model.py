"""What all models share: frozen, camelCase on the wire, and the checked kinds of value they are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from buildd.filenames import LONGEST, has_control

MAX_INT = 2**31 - 1
MAX_JSON_DEPTH = 32
_WORD = r"[a-z0-9][a-z0-9!#$&^_.+-]*"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MIME_TYPE = re.compile(f"{_WORD}/{_WORD}")


class Model(BaseModel):
    """A value that travels: the domain's shape and the wire's shape are the same class.

    Unknown fields are ignored, so that an old client can meet a newer server.
    """

    model_config = ConfigDict(
        defer_build=True,  # most programs need few of them
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        from_attributes=True,
    )


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the character U+0000 is not allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate is not text") from None
    return text


def _storable_json(value: Any, depth: int = 0) -> Any:
    if depth > MAX_JSON_DEPTH:
        raise ValueError(f"nested more than {MAX_JSON_DEPTH} deep")
    if isinstance(value, str):
        _storable(value)
    elif isinstance(value, float) and not isfinite(value):
        raise ValueError("must be a finite number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a whole number must fit into 64 bits")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _storable(key)
            _storable_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _storable_json(inner, depth + 1)
    return value


def _number(value: Any) -> Any:
    if isinstance(value, (str, bool)):
        raise ValueError("must be a number of US dollars")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _plain(amount: Decimal) -> float:
    # Of `float` itself pydantic would have to parse the signature, for each field anew.
    return float(amount)


def _moment(value: Any) -> Any:
    # pydantic would read 1 and "1" as seconds since 1970; a date by accident is worse than an error.
    if isinstance(value, (int, float)) or (isinstance(value, str) and "-" not in value[1:]):
        raise ValueError("must be an ISO 8601 time such as 2026-01-31T08:00:00Z")
    return value


def _day(value: Any) -> Any:
    if type(value) is date or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise ValueError("must be a date such as 2026-01-31")


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _printable(name: str) -> str:
    if has_control(name):
        raise ValueError("must not have line breaks or other control characters")
    return name


def _essence(given: Any) -> Any:
    return given.partition(";")[0].strip().lower() if isinstance(given, str) else given


def _mime_type(text: str) -> str:
    if not _MIME_TYPE.fullmatch(text):
        raise ValueError("must be a type such as image/png")
    return text


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range in UTC") from None


def _without_secret(address: str) -> str:
    # It is shown to everybody in the workspace, and becomes an argument of git.
    try:
        parts = urlsplit(address)
        named = parts.username or parts.password
    except ValueError:
        raise ValueError("is not an address that git could clone from") from None
    if parts.scheme in {"http", "https"} and named:
        raise ValueError("must carry no user or password: give git a credential helper instead")
    return address


def _reachable(address: str) -> str:
    try:
        parts = urlsplit(address)
        there = parts.scheme in {"http", "https"} and parts.hostname
    except ValueError:
        there = None
    if not there:
        raise ValueError("must be a URL such as https://buildd.example.com")
    return _without_secret(address)


# Lengths come before the functions: behind one, pydantic would count a text's "items".
Text = Annotated[str, AfterValidator(_storable)]
"""Text that both databases can hold."""
LongText = Annotated[str, StringConstraints(max_length=1_000_000), AfterValidator(_storable)]
Prompt = Annotated[
    str, StringConstraints(min_length=1, max_length=100_000), AfterValidator(_storable)
]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_storable),
    AfterValidator(_said),
]
Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    AfterValidator(_storable),
    AfterValidator(_said),
]
Filename = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST),
    AfterValidator(_storable),
    AfterValidator(_said),
    AfterValidator(_printable),
]
"""What a stranger calls a file. It may look like a path, and is none."""
MimeType = Annotated[
    str, StringConstraints(max_length=200), BeforeValidator(_essence), AfterValidator(_mime_type)
]
"""`type/subtype` in lower case; parameters that come with it are left out."""
Repository = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    AfterValidator(_storable),
    AfterValidator(_without_secret),
]
"""What `git clone` takes, without anything secret in it."""
Address = Annotated[
    str, StringConstraints(max_length=2000), AfterValidator(_storable), AfterValidator(_reachable)
]
"""The URL of a buildd server."""
Id = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_storable)]
Capability = Id
Capabilities = Annotated[list[Capability], Field(max_length=100)]

Count = Annotated[int, Field(strict=True, ge=0, le=MAX_INT)]
AtLeastOne = Annotated[int, Field(strict=True, ge=1, le=MAX_INT)]
Priority = Annotated[int, Field(strict=True, ge=-1000, le=1000)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
Flag = Annotated[bool, Field(strict=True)]

Usd = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=0, max_digits=15, decimal_places=6, allow_inf_nan=False),
    PlainSerializer(_plain, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0}),
]
"""US dollars: a `Decimal` with up to six places in Python, a plain number in JSON."""

Json = Annotated[dict[str, JsonValue], AfterValidator(_storable_json)]
"""A JSON object that both databases can hold."""

JsonAny = Annotated[JsonValue, AfterValidator(_storable_json)]
"""Any JSON value that both databases can hold."""

Time = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_utc)]
"""A moment in UTC; ISO 8601 in JSON."""

Day = Annotated[date, BeforeValidator(_day)]
"""A day in UTC; `2026-01-31` in JSON."""
