"""Pieces that statements share: who may see a row, pages, locks, changes by id, and set inclusion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from buildd.store.columns import Moment, Money
from buildd.store.statement import Statement
from buildd.store.tables import budget_day, grant

NOW = bindparam("now", type_=Moment())


def optional(name: str) -> sa.BindParameter[str]:
    """A text parameter that may be None, typed so that Postgres knows what None is."""
    return bindparam(name, type_=sa.String())


def matches(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """The column equals the parameter, or the parameter is None."""
    return sa.or_(optional(name).is_(None), column == optional(name))


def seen(workspace: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Tenancy, in one place: rows of a workspace that `:viewer` has a grant in, or all for None."""
    granted = sa.exists().where(
        grant.c.account_id == optional("viewer"), grant.c.workspace_id == workspace
    )
    return sa.or_(optional("viewer").is_(None), granted)


def of_today(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Money of the budget day that was joined, or nothing on a day without any."""
    return sa.func.coalesce(column, sa.literal_column("0"), type_=budget_day.c.spent.type)


def with_today(query: sa.Select[Any], owner: sa.Table) -> sa.Select[Any]:
    """Join what each owner has spent and reserved on `:day`."""
    today = sa.and_(
        budget_day.c.owner_id == owner.c.id,
        budget_day.c.day == bindparam("day", type_=sa.Date()),
    )
    return query.outerjoin(budget_day, today)


SPENT_TODAY = of_today(budget_day.c.spent).label("spent_today")
RESERVED_TODAY = of_today(budget_day.c.reserved).label("reserved_today")


def total(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A sum of money; Postgres would add whole numbers up to a decimal one."""
    found = sa.func.coalesce(sa.func.sum(column), sa.literal_column("0"))
    return sa.type_coerce(sa.cast(found, sa.BigInteger), Money())


def page(query: sa.Select[Any], key: sa.ColumnElement[str], *, few: bool = False) -> Statement:
    """Newest first, from `:cursor` on, at most `:limit`.

    Of a few rows among many, SQLite would rather go through all in the key's order than find and sort
    them, unless the order is by no column.
    """
    older = sa.or_(optional("cursor").is_(None), key < optional("cursor"))
    order = key.concat("") if few else key
    return Statement(
        query.where(older).order_by(order.desc()).limit(bindparam("limit", type_=sa.Integer()))
    )


def locked(query: sa.Select[Any], *tables: sa.Table, skip: bool = False) -> Statement:
    """The rows stay as they are until the commit. SQLite has one writer and needs no lock.

    The weaker kind of lock, so that a foreign key to the row does not wait for it.
    """
    return Statement(query.with_for_update(of=list(tables), key_share=True, skip_locked=skip))


def change(table: sa.Table, columns: Iterable[str]) -> Statement:
    """Set these columns of the row `:of`, and return it."""
    return Statement(
        sa.update(table).where(table.c.id == bindparam("of")).returning(*table.c), [*columns]
    )


def upsert(table: sa.Table, keys: Iterable[str], columns: Iterable[str]) -> Statement:
    """Insert a row, or set these columns of the one that has the same keys.

    Postgres' construct, which SQLite's compiler renders too.
    """
    new = insert(table)
    set_to = {name: new.excluded[name] for name in columns}
    return Statement(new.on_conflict_do_update(index_elements=list(keys), set_=set_to))


class within(FunctionElement[bool]):  # noqa: N801 - reads as SQL
    """Whether every string of a JSON array is in another one."""

    type = sa.Boolean()
    inherit_cache = True
    name = "within"

    def __init__(self, inner: sa.ColumnElement[Any], outer: sa.ColumnElement[Any]) -> None:
        super().__init__(inner, outer)


@compiles(within, "sqlite")
def _within_sqlite(element: within, compiler: SQLCompiler, **options: Any) -> str:
    inner, outer = (compiler.process(each, **options) for each in element.clauses)
    return (
        # Both are columns or binds, already rendered by the compiler.
        f"(NOT EXISTS (SELECT 1 FROM json_each({inner}) AS need"  # noqa: S608
        f" WHERE need.value NOT IN (SELECT value FROM json_each({outer}))))"
    )


@compiles(within, "postgresql")
def _within_postgres(element: within, compiler: SQLCompiler, **options: Any) -> str:
    inner, outer = (compiler.process(each, **options) for each in element.clauses)
    return f"({inner} <@ {outer})"


class holds(FunctionElement[bool]):  # noqa: N801 - reads as SQL
    """Whether a text has another one in it, small letters and capitals alike."""

    type = sa.Boolean()
    inherit_cache = True
    name = "holds"

    def __init__(self, text: sa.ColumnElement[Any], part: sa.ColumnElement[Any]) -> None:
        super().__init__(text, part)


@compiles(holds, "sqlite")
def _holds_sqlite(element: holds, compiler: SQLCompiler, **options: Any) -> str:
    text, part = (compiler.process(each, **options) for each in element.clauses)
    return f"(instr(lowercase({text}), lowercase({part})) > 0)"


@compiles(holds, "postgresql")
def _holds_postgres(element: holds, compiler: SQLCompiler, **options: Any) -> str:
    text, part = (compiler.process(each, **options) for each in element.clauses)
    return f"(strpos(lower({text}), lower({part})) > 0)"


class _Strings(FunctionElement[str]):
    """The strings of a JSON array, as rows."""

    inherit_cache = True
    name = "strings"


def listed(value: sa.ColumnElement[Any], array: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether a string is in a JSON array; said so that an index of the strings finds them."""
    return value.bool_op("IN")(_Strings(array))


@compiles(_Strings, "sqlite")
def _strings_sqlite(element: _Strings, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT value FROM json_each{compiler.process(element.clause_expr, **options)})"  # noqa: S608 - as above


@compiles(_Strings, "postgresql")
def _strings_postgres(element: _Strings, compiler: SQLCompiler, **options: Any) -> str:
    array = compiler.process(element.clause_expr, **options)
    return f"(SELECT jsonb_array_elements_text{array})"
