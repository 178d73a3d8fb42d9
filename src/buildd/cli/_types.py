"""Kinds of value on the command line, each refused in words that show a right one."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object on the command line."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Parse it, or say where it is wrong."""
        if isinstance(value, dict):
            return value
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError) as problem:
            self.fail(f"is not valid JSON: {problem}", param, ctx)
        if not isinstance(parsed, dict):
            self.fail("""must be a JSON object such as '{"key": "value"}'""", param, ctx)
        return parsed


class Money(click.ParamType[Decimal]):
    """US dollars on the command line."""

    name = "usd"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Parse it exactly, without going through a float."""
        try:
            dollars = Decimal(str(value).removeprefix("$"))
        except InvalidOperation:
            self.fail(f"{value!r} is not an amount of US dollars such as 2.50", param, ctx)
        if not dollars.is_finite() or dollars < 0:
            self.fail(f"{value!r} is not an amount of US dollars", param, ctx)
        return dollars


class Duration(click.ParamType[int]):
    """A span of time on the command line; seconds, in a number or with a unit."""

    name = "duration"
    _UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

    def __init__(self, least: int = 1, most: int = 2**31 - 1) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse it into seconds."""
        text = str(value)
        number = text.rstrip("".join(self._UNITS))
        unit = text.removeprefix(number) or "s"
        if not (number.isascii() and number.isdecimal()) or unit not in self._UNITS:
            self.fail(f"{text!r} is not a span of time such as 90d, 12h, 30m or 60", param, ctx)
        seconds = int(number[:12]) * self._UNITS[unit]
        if not self._least <= seconds <= self._most:
            self.fail(f"{text!r} is not {self._least} to {self._most} seconds", param, ctx)
        return seconds


class Moment(click.ParamType[datetime]):
    """A time on the command line; without a zone it is the local one."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse ISO 8601."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.astimezone()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is not an ISO 8601 time such as 2026-01-31T08:00", param, ctx)
