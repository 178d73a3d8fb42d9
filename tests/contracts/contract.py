"""What an OpenAPI description asks of requests and of answers.

The far ends of our tests are written by hand. Somebody else's description tells whether the real
server would understand what we send there, and could have answered as they do.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml  # type: ignore[import-untyped]
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
from openapi_schema_validator import (
    OAS30ReadValidator,
    OAS30WriteValidator,
    oas30_format_checker,
)
from referencing import Registry
from referencing.jsonschema import DRAFT4

GITHUB = Path(__file__).parents[2] / ".make" / "specs" / "github.json"
CODER = Path(__file__).with_name("coder.yaml")

_HERE = "urn:description"
_JSON = "application/json"
_REFERENCE = re.compile(r"""(["'])#(?=/components/)""")
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True)
class Exchange:
    """A request, and what came back if that is to be compared too."""

    method: str
    path: str
    query: Mapping[str, str]
    sent: Any
    status: int | None = None
    answered: Any = None


@dataclass(frozen=True)
class _Operation:
    name: str
    described: dict[str, Any]
    parameters: list[dict[str, Any]]
    pattern: re.Pattern[str]


class Contract:
    """A description in OpenAPI 3.0.

    Servers refuse for more reasons than their descriptions list: what is not listed has to look
    like a refusal at least. `refusal` names that schema.
    """

    def __init__(self, text: str, refusal: str) -> None:
        self.calls: Counter[str] = Counter()
        """How often each operation was answered."""
        # References then lead to the same place from wherever they are followed.
        text = _REFERENCE.sub(rf"\1{_HERE}#", text)
        self._document = json.loads(text) if text.startswith("{") else yaml.safe_load(text)
        resource = DRAFT4.create_resource(self._document)
        self._registry: Registry[Any] = Registry().with_resource(_HERE, resource)
        self._refusal = {"$ref": f"{_HERE}#/components/schemas/{refusal}"}
        self._operations: dict[str, list[_Operation]] = {}
        # Where two paths fit, the one with fewer places to fill in is meant.
        for path in sorted(self._document["paths"], key=lambda path: path.count("{")):
            self._read_path(path, dict(self._document["paths"][path]))

    def faults(self, exchange: Exchange) -> list[str]:
        """What the server would not understand, and what it would not answer."""
        operation, places = self._find(exchange.method, exchange.path)
        if operation is None:
            return [f"{exchange.method} {exchange.path}: there is no such call"]
        faults = [*self._request(operation, places, exchange)]
        if exchange.status is not None:
            self.calls[operation.name] += 1
            answer = self._answer(operation, exchange.status, exchange.answered)
            faults += [f"{exchange.status}: {fault}" for fault in answer]
        return [f"{operation.name}: {fault}" for fault in faults]

    def mismatches_of(self, schema: str, value: Any) -> list[str]:
        """What a value has that a schema of the description does not allow."""
        named = {"$ref": f"{_HERE}#/components/schemas/{schema}"}
        return [*self._mismatches(OAS30ReadValidator, named, value)]

    def _read_path(self, path: str, item: dict[str, Any]) -> None:
        shared = item.pop("parameters", [])
        for method, described in item.items():
            parameters = [self._follow(p) for p in [*shared, *described.get("parameters", [])]]
            long = {each["name"] for each in parameters if each.get("x-multi-segment")}

            def place(found: re.Match[str], long: set[str] = long) -> str:
                return f"(?P<{found[1]}>{'.+' if found[1] in long else '[^/]+'})"

            pattern = re.compile(_PLACEHOLDER.sub(place, re.escape(path)))
            operation = _Operation(f"{method.upper()} {path}", described, parameters, pattern)
            self._operations.setdefault(method.upper(), []).append(operation)

    def _find(self, method: str, path: str) -> tuple[_Operation | None, dict[str, str]]:
        for operation in self._operations.get(method, []):
            if found := operation.pattern.fullmatch(path):
                return operation, {k: unquote(v) for k, v in found.groupdict().items()}
        return None, {}

    def _request(
        self, operation: _Operation, places: Mapping[str, str], exchange: Exchange
    ) -> Iterator[str]:
        sent = {("path", name): value for name, value in places.items()}
        sent |= {("query", name): value for name, value in exchange.query.items()}
        known = {(each["in"], each["name"]): each for each in operation.parameters}
        for place, name in sent.keys() - known.keys():
            yield f"{place} parameter {name}: there is no such"
        for (place, name), parameter in known.items():
            if (place, name) in sent:
                schema = parameter["schema"]
                value = self._meant(schema, sent[place, name])
                for fault in self._mismatches(OAS30WriteValidator, schema, value):
                    yield f"{place} parameter {name}: {fault}"
            elif parameter.get("required") and place in {"path", "query"}:
                yield f"{place} parameter {name}: it is missing"
        yield from self._body(operation, exchange.sent)

    def _meant(self, schema: dict[str, Any], text: str) -> Any:
        """What the text of a parameter stands for."""
        kinds = [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]
        types = {self._follow(kind).get("type") for kind in kinds}
        if types & {"integer", "number", "boolean"}:
            try:
                return json.loads(text)
            except ValueError:
                pass
        return text

    def _body(self, operation: _Operation, body: Any) -> Iterator[str]:
        described = self._follow(operation.described.get("requestBody", {}))
        if described:
            if body or described.get("required"):
                schema = described["content"][_JSON]["schema"]
                yield from self._mismatches(OAS30WriteValidator, schema, body)
        elif body:
            yield "it takes nothing in the body"

    def _answer(self, operation: _Operation, status: int, body: Any) -> Iterator[str]:
        answers = operation.described["responses"]
        if str(status) in answers:
            content = self._follow(answers[str(status)]).get("content", {})
        elif status >= HTTPStatus.BAD_REQUEST:
            content = {_JSON: {"schema": self._refusal}}
        else:
            yield "it never answers that"
            return
        if _JSON in content:
            yield from self._mismatches(OAS30ReadValidator, content[_JSON]["schema"], body)
        elif body is not None:
            yield "there is nothing in the body"

    def _mismatches(self, kind: Any, schema: dict[str, Any], value: Any) -> Iterator[str]:
        checked = kind(schema, registry=self._registry, format_checker=oas30_format_checker)
        for error in checked.iter_errors(value):
            why = best_match(error.context) or error
            # What is wrong stands at the end; before it may stand the whole value.
            yield f"{why.json_path}: {why.message[-300:]}"

    def _follow(self, described: dict[str, Any]) -> dict[str, Any]:
        """What a reference means, or what is described in its place."""
        while "$ref" in described:
            pointer = described["$ref"].removeprefix(f"{_HERE}#/")
            described = self._document
            for part in pointer.split("/"):
                described = described[part]
        return described


@cache
def coder() -> Contract:
    """Of Coder, the calls that buildd makes."""
    return Contract(CODER.read_text(), "Response")


@cache
def github() -> Contract:
    """Of GitHub, everything."""
    return Contract(GITHUB.read_text(), "basic-error")
