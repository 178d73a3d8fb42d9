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
