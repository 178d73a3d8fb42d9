"""The JSON schemas of operations and answers, which the OpenAPI document and the docs page show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.alias_generators import to_camel

from buildd.events import Event
from buildd.operations import OPERATIONS, TRANSFERS, Method, Operation, Transfer
from buildd_server.sessions import Caller, CreateTicket, Ticket
from buildd_server.sse import EventQuery

PREFIX = "#/components/schemas/"

Json = dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """The fields of a request, by the place they travel in."""

    path: Mapping[str, Json]
    query: Mapping[str, Json]
    body: Mapping[str, Json]
    required: frozenset[str]
    headers: Mapping[str, Json] = field(default_factory=dict)


class Schemas:
    """All schemas, made in one go so that each shared model has one clean name."""

    def __init__(self) -> None:
        refs, shared = TypeAdapter.json_schemas(
            [
                *((each, "serialization", each.answer()) for each in OPERATIONS),
                *((each, "validation", TypeAdapter(each)) for each in (*OPERATIONS, *TRANSFERS)),
                (EventQuery, "validation", TypeAdapter(EventQuery)),
                (CreateTicket, "validation", TypeAdapter(CreateTicket)),
                *((each, "serialization", TypeAdapter(each)) for each in (Event, Caller, Ticket)),
            ],
            ref_template=PREFIX + "{model}",
        )
        models = _tidy(shared["$defs"])
        self._refs: Mapping[Any, Json] = refs
        requests: tuple[type[BaseModel], ...] = (*OPERATIONS, *TRANSFERS, EventQuery)
        self._requests = {each: models.pop(each.__name__) for each in requests}
        self.models: Mapping[str, Json] = models
        """What answers are made of, by name."""

    def answer(self, operation: type[Operation[Any]]) -> Json:
        """The schema of an operation's answer."""
        return self._refs[operation, "serialization"]

    def inputs(self, operation: type[Operation[Any]]) -> Inputs:
        """Where each of an operation's fields travels."""
        fields, required = self._fields(operation)
        http = operation.http
        path = {name: fields.pop(name) for name in map(to_camel, http.path_fields)}
        headers = {header: fields.pop(to_camel(name)) for name, header in http.headers}
        if operation.reads():
            return Inputs(path, fields, {}, required)
        if http.method is Method.PATCH:
            # What a PATCH leaves out stays as it is: showing a default would be wrong.
            fields = {name: _without(each, "default") for name, each in fields.items()}
        return Inputs(path, {}, fields, required, headers)

    def about_file(self, transfer: type[Transfer]) -> Inputs:
        """Where each field of what is said about a file travels; the rest is in headers."""
        fields, required = self._fields(transfer)
        path = {name: fields.pop(name) for name in map(to_camel, transfer.http.path_fields)}
        for name, _ in transfer.http.headers:
            del fields[to_camel(name)]
        return Inputs(path, fields, {}, required)

    def event_query(self) -> Mapping[str, Json]:
        """The parameters of an event stream, none of which is required."""
        return self._fields(EventQuery)[0]

    def _fields(self, model: type[BaseModel]) -> tuple[dict[str, Json], frozenset[str]]:
        schema = self._requests[model]
        return dict(schema.get("properties", {})), frozenset(schema.get("required", ()))


def wire_path(operation: type[Operation[Any] | Transfer]) -> str:
    """An operation's path with its fields named as they are on the wire."""
    http = operation.http
    return http.path.format(**{name: f"{{{to_camel(name)}}}" for name in http.path_fields})


def _tidy(value: Any) -> Any:
    """Without what says nothing, or too much.

    Titles made of names, a default of null, numbers in quotes; and that a set must not name a thing
    twice, which is fine here.
    """
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if not isinstance(value, dict):
        return value
    tidy: Json = {
        key: {name: _tidy(each) for name, each in inner.items()}
        if key in {"properties", "$defs"}
        else _tidy(inner)
        for key, inner in value.items()
        if key != "uniqueItems"
        and not (key == "title" and isinstance(inner, str))
        and not (key == "default" and inner is None)
    }
    if tidy.get("type") == "number" and isinstance(tidy.get("default"), str):
        tidy["default"] = float(tidy["default"])
    return tidy


def _without(schema: Json, key: str) -> Json:
    return {name: each for name, each in schema.items() if name != key}
