"""The file of `buildd tasks create-many`: what is wrong in it is told by its line or item."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import click

from buildd.errors import Invalid

MOST_TOLD = 5
"""How many mistakes are told at once."""
_STDIN = "<stdin>"
_FIELD = re.compile(r"tasks\.(\d+)(?:\.(.+))?")


class Batch(NamedTuple):
    """The tasks of a file, and where in it each stands."""

    tasks: list[dict[str, Any]]
    places: list[str]


def read(stream: IO[bytes], workspace: str | None) -> Batch:
    """A JSON array of tasks, or one on each line; they are of this workspace unless they say."""
    name = getattr(stream, "name", _STDIN)
    name = "standard input" if name == _STDIN else name
    try:
        text = stream.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(f"{name} is not UTF-8 text") from None
    entries = _items(text, name) if text.lstrip().startswith("[") else _lines(text, name)
    found = [(_task(entry, place, workspace), place) for place, entry in entries]
    if not found:
        raise click.UsageError(f"{name} holds no tasks: write one JSON object on each line")
    return Batch([task for task, _ in found], [place for _, place in found])


@contextmanager
def placed(batch: Batch) -> Iterator[None]:
    """What the broker says of the n-th task, said of its place in the file."""
    try:
        yield
    except Invalid as problem:
        said = [_said(each["field"], each["message"], batch.places) for each in problem.errors]
        if len(said) > MOST_TOLD:
            said[MOST_TOLD:] = [f"and {len(said) - MOST_TOLD} more"]
        raise type(problem)("; ".join(said) or problem.message) from None


def _items(text: str, name: str) -> Iterator[tuple[str, Any]]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise click.UsageError(f"{name} is not valid JSON: {problem}") from None
    for number, entry in enumerate(entries, 1):
        yield f"{name} item {number}", entry


def _lines(text: str, name: str) -> Iterator[tuple[str, Any]]:
    for number, each in enumerate(text.split("\n"), 1):
        if each.strip():
            place = f"{name} line {number}"
            yield place, _object(each, place)


def _object(line: str, place: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as problem:
        why = getattr(problem, "msg", problem)
        raise click.UsageError(f"{place}: is not one JSON object: {why}") from None


def _task(entry: Any, place: str, workspace: str | None) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise click.UsageError(f"""{place}: must be a JSON object such as {{"title": "Fix it"}}""")
    return {"workspaceId": workspace, **entry} if workspace else entry


def _said(field: str, message: str, places: list[str]) -> str:
    found = _FIELD.fullmatch(field)
    if found is None:
        return f"{field}: {message}"
    place = places[int(found[1])]
    return f"{place}: {found[2]}: {message}" if found[2] else f"{place}: {message}"
