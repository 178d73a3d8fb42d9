"""The operation table is covered on every side: façade, broker, docs, tests."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from buildd.client._async import AsyncVerb, resources
from buildd.client._sync import Verb
from buildd.client._sync import resources as blocking_resources
from buildd.operations import OPERATIONS, Operation

ROOT = Path(__file__).parents[2]


def facade(rooms: dict[str, type[Any]], kind: type[Any]) -> dict[type[Operation[Any]], list[str]]:
    """The methods that stand for each operation, such as `tasks.create`."""
    found: dict[type[Operation[Any]], list[str]] = {}
    for room, cls in rooms.items():
        for name, verb in vars(cls).items():
            if isinstance(verb, kind):
                found.setdefault(verb.operation, []).append(f"{room}.{name}")
    return found


CALLS = facade(resources(), AsyncVerb)


def test_every_operation_is_in_the_table_once() -> None:
    defined = {cls for cls in _heirs(Operation) if "http" in vars(cls)}
    assert set(OPERATIONS) == defined
    assert len(set(OPERATIONS)) == len(OPERATIONS)


def _heirs(cls: type[Any]) -> set[type[Any]]:
    return {heir for child in cls.__subclasses__() for heir in {child, *_heirs(child)}}


def test_no_two_operations_share_a_request() -> None:
    places = Counter((op.http.method, op.http.path) for op in OPERATIONS)
    assert [place for place, count in places.items() if count > 1] == []


def test_every_operation_has_one_method_in_both_facades() -> None:
    assert {op: len(CALLS.get(op, ())) for op in OPERATIONS} == dict.fromkeys(OPERATIONS, 1)
    assert facade(blocking_resources(), Verb) == CALLS


def test_every_operation_has_a_handler() -> None:
    from buildd.broker import HANDLERS

    assert set(HANDLERS) == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_an_operation_is_whole(operation: type[Operation[Any]]) -> None:
    assert operation.__doc__
    assert operation.access
    assert set(operation.http.path_fields) <= set(operation.model_fields)
    assert all(operation.model_fields[name].is_required() for name in operation.http.path_fields)
    assert operation.http.path.startswith("/api/")
    assert operation.answer().json_schema()


def test_every_operation_has_a_row_in_the_docs() -> None:
    rows = (ROOT / "docs" / "reference" / "api.md").read_text().splitlines()
    for operation, [call] in CALLS.items():
        request = f"| `{operation.http.method} {operation.http.path}` | `{call}` |"
        [row] = [row for row in rows if row.startswith(request)]
        assert all(f"`{to_camel(name)}" in row for name in operation.model_fields)


def test_every_operation_is_called_by_a_test() -> None:
    called = {call for path in _test_files() for call in _calls(ast.parse(path.read_text()))}
    uncalled = [
        call for operation, [call] in CALLS.items() if not {operation.__name__, call} & called
    ]
    assert uncalled == []


def _test_files() -> list[Path]:
    """All but these, and those whose server only does what it is told."""
    here = Path(__file__).parent
    scripted = {here.parent / "client" / f"test_{name}.py" for name in ("http", "connect")}
    return [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if here not in path.parents and path not in scripted
    ]


def _calls(tree: ast.AST) -> set[str]:
    """What a test calls: `bd.tasks.create(…)` as `tasks.create`, `CreateTask(…)` as itself."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=verb, value=ast.Attribute(attr=room))):
                names.add(f"{room}.{verb}")
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
                names.add(name)
    return names
