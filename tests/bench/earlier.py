"""Rows that were measured before, taken from what `--json` wrote: a whole run may be done in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tests.bench.comparing import Measured, Row

REVISION, DATE, FORM, MACHINE = "revision", "date", "form", "machine"
"""Facts of a run."""


def form(runs: int, *, short: bool) -> str:
    """What kind of run it is, as a fact."""
    return "short: the figures mean nothing" if short else f"{runs} turns of each"


def taken(
    files: Sequence[Path], rows: Mapping[int, Row], facts: Mapping[str, str]
) -> tuple[list[Measured], dict[str, str]]:
    """Their rows, and the facts with when each was measured.

    Raises `UsageError` for what does not belong together.
    """
    found: dict[int, Measured] = {}
    told = dict(facts)
    for file in files:
        try:
            written = json.loads(file.read_text())
            _check(file, written["facts"], facts)
            these = dict(_rows(written, rows))
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise click.UsageError(f"--from {file}: not written by --json ({problem})") from None
        if again := found.keys() & these.keys():
            raise click.UsageError(f"--from {file}: row {min(again)} is in another file too")
        found |= these
        numbers = ", ".join(map(str, sorted(these)))
        told[f"of rows {numbers}"] = f"measured {written['facts'][DATE]}, in a run of their own"
    return [found[number] for number in sorted(found)], told


def _check(file: Path, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    for name in (REVISION, FORM, MACHINE):
        if theirs[name] != ours[name]:
            raise click.UsageError(f"--from {file}: {name} is {theirs[name]}, not {ours[name]}")


def _rows(written: Mapping[str, Any], rows: Mapping[int, Row]) -> Iterator[tuple[int, Measured]]:
    for each in written["rows"]:
        yield each["number"], Measured(rows[each["number"]], each["samples"])
