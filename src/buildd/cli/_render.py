"""What people see: tables, cards and lines; and the API's own JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from buildd.cli._exits import escaped, printable

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.text import Text

UNBOUNDED = 100_000
"""Columns of a "terminal" that is none, so that nothing is cut on its way into a pipe."""

GAP = 2
"""Spaces between two columns."""

READABLE = 23
"""Columns that what may be shortened needs to be of use: a title, say."""

_STYLES = {
    "pending": "dim",
    "idle": "dim",
    "assigned": "cyan",
    "starting": "cyan",
    "running": "bold blue",
    "waiting_input": "bold yellow",
    "paused": "yellow",
    "completed": "green",
    "failed": "bold red",
    "error": "red",
    "cancelled": "magenta",
}


class Column(NamedTuple):
    """A column of a table: its heading, what stands in it, and how it gives way to others."""

    heading: str
    value: Callable[[Any], object]
    shrinks: bool = False
    """Whether what stands in it may be cut, with a mark, as far as it stays `READABLE`."""
    rank: int = 0
    """0 if it is always shown. On a narrow terminal the lowest ranks get a place first."""


def document(things: BaseModel | Sequence[BaseModel]) -> None:
    """Print the API's own JSON, one document."""
    import pydantic_core

    text = pydantic_core.to_json(things, by_alias=True, indent=2).decode()
    sys.stdout.write(escaped(text) + "\n")


def json_line(thing: BaseModel) -> None:
    """Print a thing as one line of JSON."""
    sys.stdout.write(escaped(thing.model_dump_json(by_alias=True)) + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """Print one line, at once."""
    sys.stdout.write(" ".join(printable(text).splitlines()).rstrip() + "\n")
    sys.stdout.flush()


def block(text: str) -> None:
    """Print a text as it is, apart from what would steer a terminal."""
    shown = printable(text) if sys.stdout.isatty() else text
    sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")


def table(rows: Sequence[Any], columns: Sequence[Column]) -> None:
    """Print a table."""
    out = console()
    with out.capture() as printed:
        # A row that is too long even so goes on in the terminal's next line: nothing is lost.
        out.print(table_of(rows, columns, out.width), soft_wrap=True)
    for each in printed.get().splitlines():
        sys.stdout.write(each.rstrip() + "\n")


def table_of(rows: Sequence[Any], columns: Sequence[Column], width: int) -> Text:
    """A table of the rows: of its columns those that fit, and of their cells what fits."""
    from rich.text import Text

    cells = {
        column: [cell(column.heading, "bold"), *(cell(column.value(row)) for row in rows)]
        for column in columns
    }
    widths = _fitting({of: max(each.cell_len for each in cells[of]) for of in columns}, width)
    for column, wide in widths.items():
        for each in cells[column]:
            each.truncate(wide, overflow="ellipsis", pad=True)
    gap = Text(" " * GAP)
    lines = zip(*(cells[column] for column in widths), strict=True)
    return Text("\n", no_wrap=True, overflow="ellipsis").join(gap.join(line) for line in lines)


def card(thing: BaseModel) -> None:
    """Print one thing, a line for each field that has a value, by its name in the API."""
    fields = thing.model_dump(mode="json", by_alias=True)
    shown = {name: value for name, value in fields.items() if value not in (None, [], {})}
    width = max(map(len, shown), default=0) + 2
    for name, value in shown.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        first, *more = printable(text).splitlines() or [""]
        console().print(cell(name.ljust(width), "bold") + cell(first), soft_wrap=True)
        for each in more:
            console().print(cell(" " * width + each), soft_wrap=True)


def console() -> Console:
    """Where tables go: stdout, without colour unless it is a terminal that wants it."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else UNBOUNDED
    return Console(width=width, markup=False, highlight=False, emoji=False)


def cell(value: object, style: str = "") -> Text:
    """A value as a table shows it; a status has its colour."""
    from rich.text import Text

    said = _said(value)
    return Text(said, style=style or _STYLES.get(said, ""))


def money(amount: Decimal | float) -> str:
    """US dollars with cents, and with more places only where there are any."""
    exact = Decimal(str(amount))
    cents = exact.quantize(Decimal("0.01"))
    return f"${cents}" if cents == exact else f"${exact.normalize():f}"


def bar(percent: int) -> str:
    """How far something has come."""
    full = round(percent / 10)
    return f"{'━' * full}{'·' * (10 - full)} {percent:>3} %"


def size(amount: int) -> str:
    """Bytes, in the largest unit that fits."""
    for unit, many in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if amount >= many:
            return (
                f"{amount / many:.0f} {unit}"
                if amount >= 10 * many
                else f"{amount / many:.1f} {unit}"
            )
    return f"{amount} B"


def age(moment: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _fitting(wanted: Mapping[Column, int], width: int) -> dict[Column, int]:
    """The columns that there is room for, and how wide each of them may be."""
    room = width + GAP
    kept: dict[Column, int] = {}
    for column in sorted(wanted, key=lambda each: each.rank):
        least = min(wanted[column], READABLE) if column.shrinks else wanted[column]
        if column.rank == 0 or least + GAP <= room:
            kept[column] = least
            room -= least + GAP
    for column in [each for each in kept if each.shrinks]:
        given = max(len(column.heading) - kept[column], min(wanted[column] - kept[column], room))
        kept[column] += given
        room -= given
    return {column: kept[column] for column in wanted if column in kept}


def _said(value: object) -> str:
    return "" if value is None else " ".join(printable(str(value)).splitlines())
