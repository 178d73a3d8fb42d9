"""A statement is written once in SQLAlchemy Core, compiled once per database, and run on the driver itself.

Measured: through SQLAlchemy's own execution a statement costs five to ten times as much as on the
driver, and the broker runs a dozen for each task. The text, the types and their conversions stay
SQLAlchemy's; only the running is ours.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

Convert = Callable[[Any], Any]
Row = Any
"""A named tuple with the statement's columns; its types are checked when it becomes a model."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement as one driver takes it."""

    text: str
    order: tuple[str, ...] | None
    """The names of the parameters by position, or None where the driver takes them by name."""
    constants: Mapping[str, Any]
    to_driver: Mapping[str, Convert]
    row: Callable[[Iterable[Any]], Row] | None
    from_driver: tuple[tuple[int, Convert], ...]
    writes: bool

    def bind(self, given: Mapping[str, Any]) -> Any:
        """The parameters as the driver wants them. Raises `KeyError` if one is missing."""
        values = {**self.constants, **given} if self.constants else given
        convert = self.to_driver
        if self.order is None:
            return {
                name: convert[name](value) if name in convert else value
                for name, value in values.items()
            }
        return [
            convert[name](values[name]) if name in convert else values[name] for name in self.order
        ]

    def read(self, raw: Iterable[Any]) -> list[Row]:
        """The driver's rows with names and Python's types."""
        assert self.row is not None
        if not self.from_driver:
            return [self.row(each) for each in raw]
        rows = []
        for each in raw:
            values = list(each)
            for index, convert in self.from_driver:
                values[index] = convert(values[index])
            rows.append(self.row(values))
        return rows


class Statement:
    """One named piece of SQL. `columns` lists an INSERT's columns; by default it takes all of them."""

    def __init__(self, expression: sa.Executable, columns: Iterable[str] | None = None) -> None:
        self._expression: Any = expression
        if columns is None and isinstance(expression, sa.Insert):
            columns = [column.name for column in expression.table.columns]
        self._columns = None if columns is None else list(columns)
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Dialect) -> Compiled:
        """This statement for one database, compiled at its first use."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = self._compile(dialect)
        return found

    def _compile(self, dialect: Dialect) -> Compiled:
        built = self._expression.compile(dialect=dialect, column_keys=self._columns)
        parameters = {name: bind for name, bind in built.binds.items() if name in built.params}
        converts = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect)
            for name, bind in parameters.items()
        }
        columns = list(getattr(self._expression, "exported_columns", ()))
        reads = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns
        ]
        row = _row_type([str(column.key) for column in columns]) if columns else None
        return Compiled(
            text=str(built),
            order=None if built.positiontup is None else tuple(built.positiontup),
            constants={name: bind.value for name, bind in parameters.items() if not bind.required},
            to_driver={name: convert for name, convert in converts.items() if convert},
            row=row,
            from_driver=tuple((i, convert) for i, convert in enumerate(reads) if convert),
            writes=not isinstance(self._expression, sa.SelectBase),
        )


def _row_type(columns: list[str]) -> Callable[[Iterable[Any]], Row]:
    make: Callable[[Iterable[Any]], Row] = getattr(namedtuple("Row", columns), "_make")  # noqa: B009, PYI024
    return make
