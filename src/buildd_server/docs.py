"""The docs page: every operation with its fields and answer, as plain HTML from the same table."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby
from typing import Any

from buildd.events import EventType
from buildd.operations import OPERATIONS, TRANSFERS, Operation, Upload
from buildd_server.openapi import PROBLEMS, WHO
from buildd_server.schemas import PREFIX, Json, Schemas, wire_path

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0a7d5a; }
body { font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); text-transform: capitalize; }
section { margin: 1.5rem 0; padding: .5rem 1rem; }
section { border: 1px solid var(--line); border-radius: .5rem; }
h3 { margin: .25rem 0; font: 600 1rem/1.6 ui-monospace, monospace; overflow-wrap: anywhere; }
h3 b { color: var(--accent); margin-right: .5rem; }
p { margin: .5rem 0; }
.who { opacity: .75; font-size: .9rem; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
td { vertical-align: top; padding: .25rem .5rem; border-top: 1px solid var(--line); }
code { font-family: ui-monospace, monospace; background: var(--soft); padding: 0 .2rem; }
a { color: inherit; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""No script runs on our pages, and no style but the one above."""


_LIMITS = {
    "minimum": "≥",
    "maximum": "≤",
    "minLength": "length ≥",
    "maxLength": "length ≤",
    "maxItems": "items ≤",
}
_INTRODUCTION = (
    '<h1>buildd API</h1><p>For tools: <a href="/api/openapi.json">OpenAPI 3.1</a>. Send a key as '
    "<code>Authorization: Bearer …</code>; errors are problem documents with a stable "
    "<code>code</code>.</p>"
)


def docs_page(schemas: Schemas) -> str:
    """The whole API on one page."""
    body = "".join(
        (
            _INTRODUCTION,
            *_operations(schemas),
            *_files(schemas),
            *_events(schemas),
            "<h2>errors</h2><table>",
            *(_row(str(status), escape(said)) for status, said in PROBLEMS.items()),
            "</table><h2>models</h2>",
            *(_model(name, model) for name, model in sorted(schemas.models.items())),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>buildd API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _operations(schemas: Schemas) -> Iterator[str]:
    def noun(operation: type[Operation[Any]]) -> str:
        return operation.http.path.split("/")[2]

    for name, group in groupby(sorted(OPERATIONS, key=noun), key=noun):
        yield f"<h2>{escape(name)}</h2>"
        for operation in group:
            yield _operation(operation, schemas)


def _operation(operation: type[Operation[Any]], schemas: Schemas) -> str:
    http, inputs = operation.http, schemas.inputs(operation)
    fields = {**inputs.path, **inputs.query, **inputs.body}
    about = escape(" ".join((operation.__doc__ or "").split()))
    return (
        f'<section id="{operation.__name__}">'
        f"<h3><b>{http.method.value}</b>{escape(wire_path(operation))}</h3>"
        f'<p>{about}</p><p class="who">For {escape(WHO[operation.access])}.</p>'
        f"{_fields(fields, inputs.required)}"
        f"<p>Answers <code>{http.status}</code> with {_type(schemas.answer(operation))}.</p>"
        "</section>"
    )


def _files(schemas: Schemas) -> Iterator[str]:
    yield "<h2>files</h2>"
    for each in TRANSFERS:
        inputs = schemas.about_file(each)
        upload = issubclass(each, Upload)
        answer = _link(each.answers.__name__) if issubclass(each, Upload) else "the file"
        body = "<p>The body is the file, of the type that Content-Type says.</p>" if upload else ""
        yield (
            f'<section id="{each.__name__}">'
            f"<h3><b>{each.http.method.value}</b>{escape(wire_path(each))}</h3>"
            f"<p>{escape(' '.join((each.__doc__ or '').split()))}</p>{body}"
            f'<p class="who">For {escape(WHO[each.access])}.</p>'
            f"{_fields({**inputs.path, **inputs.query}, inputs.required)}"
            f"<p>Answers <code>{each.http.status}</code> with {answer}.</p></section>"
        )


def _events(schemas: Schemas) -> Iterator[str]:
    types = ", ".join(f"<code>{each.value}</code>" for each in EventType)
    yield "<h2>events</h2>"
    for path in ("/api/events", "/api/workers/{id}/events"):
        yield (
            f"<section><h3><b>GET</b>{path}</h3><p>Server-sent events: <code>id</code> is the "
            f"event's seq, <code>data</code> the whole {_link('Event')}. Types: {types}.</p>"
            f"{_fields(schemas.event_query(), frozenset())}</section>"
        )


def _model(name: str, model: Json) -> str:
    about = escape(" ".join(str(model.get("description", "")).split()))
    values = " | ".join(f"<code>{escape(str(each))}</code>" for each in model.get("enum", ()))
    fields = _fields(model.get("properties", {}), frozenset())
    return f'<section id="{name}"><h3>{name}</h3><p>{about}</p><p>{values}</p>{fields}</section>'


def _fields(fields: Mapping[str, Json], required: frozenset[str]) -> str:
    rows = "".join(
        _row(name, _type(schema), "required" if name in required else _default(schema))
        for name, schema in fields.items()
    )
    return f"<table>{rows}</table>" if rows else ""


def _row(name: str, *cells: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>"


def _default(schema: Json) -> str:
    return f"default <code>{escape(str(schema['default']))}</code>" if "default" in schema else ""


def _type(schema: Json) -> str:
    """A schema in a few words, models as links."""
    if "$ref" in schema:
        return _link(schema["$ref"].removeprefix(PREFIX))
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if values:
        return " | ".join(f"<code>{escape(str(each))}</code>" for each in values)
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    return escape(" ".join([schema.get("format") or schema.get("type", "any JSON value"), *limits]))


def _link(name: str) -> str:
    return f'<a href="#{escape(name)}">{escape(name)}</a>'
