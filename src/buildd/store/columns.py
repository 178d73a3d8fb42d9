"""The column types both databases share: money in micro-dollars, moments in UTC, JSON, and enums by value."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect

from buildd.budget import to_dollars, to_micro


class Money(sa.types.TypeDecorator[Decimal]):
    """Dollars in Python, whole micro-dollars in the database, so that sums are exact."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Dollars to micro-dollars."""
        return None if value is None else to_micro(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Micro-dollars to dollars."""
        return None if value is None else to_dollars(value)


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware UTC time; SQLite, which has no zones, keeps it as text that sorts."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite's driver type drops the zone, so it must be UTC by then."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    """A CHECK that a column holds one of an enum's values."""
    return sa.CheckConstraint(f"{column} IN ({_quoted(values)})", name=f"{column}_known")


def among(column: sa.ColumnElement[Any], values: Iterable[StrEnum]) -> sa.ColumnElement[bool]:
    """The column has one of the values, written into the text so that partial indexes apply."""
    literals: list[sa.ColumnElement[Any]] = [
        sa.literal_column(f"'{value.value}'") for value in sorted(values)
    ]
    return column == literals[0] if len(literals) == 1 else column.in_(literals)


def matching(column: str, values: Iterable[StrEnum]) -> sa.TextClause:
    """The condition of a partial index on a status."""
    return sa.text(f"{column} IN ({_quoted(sorted(values))})")


def _quoted(values: Iterable[StrEnum]) -> str:
    return ", ".join(f"'{value.value}'" for value in values)
