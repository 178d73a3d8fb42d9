"""The OpenAPI 3.1 document, made from the operation table and the few routes written by hand."""

from __future__ import annotations

from typing import Any

import buildd
from buildd.operations import (
    OPERATIONS,
    TRANSFERS,
    Access,
    Operation,
    Patch,
    Transfer,
    Upload,
    answer_of,
    tagged,
)
from buildd_server.auth import TICKET
from buildd_server.browsers import COOKIE, SECURE_COOKIE
from buildd_server.schemas import PREFIX, Json, Schemas, wire_path
from buildd_server.sse import POSITION_HEADER

WHO = {
    Access.ADMIN: "an administrator",
    Access.ACCOUNT: "an account with its own key, or a launch's acquisition token",
    Access.ENROLMENT: "an enrolment token, once",
    Access.CLAIMER: "an account that may claim, or an administrator",
    Access.MEMBER: "an administrator, or an account with the grant it takes",
    Access.READER: "an administrator, an account with a grant, or the attempt's lease token",
    Access.LEASE: "the worker's lease token",
    Access.MEMBER_OR_LEASE: "an administrator, a granted account, or the worker's lease token",
}
"""Who may use a verb, in words."""

PROBLEMS = {
    400: "The body is not JSON in UTF-8.",
    401: "No key, or one that is unknown or revoked.",
    403: "This kind of caller may never use this verb.",
    404: "There is no such thing, or none that the caller may see.",
    409: "It does not fit the present state; `code` tells which conflict it is.",
    408: "The body came too slowly.",
    412: "It was changed since it was read: `If-Match` does not match.",
    413: "The body is too large.",
    422: "A field is missing, unknown or wrong; `errors` names it.",
    429: "Too many requests: try again after `Retry-After` seconds.",
    503: "Not now: try again after `Retry-After` seconds.",
}
_OF_WRITES = {400, 408, 409, 413}
_ABOUT = (
    "A task broker for AI coding agents. JSON is camelCase, times are ISO 8601 in UTC, money is a "
    "number of US dollars. Lists are newest first; a full page has a `Link` to the next. Errors "
    "are problem documents (RFC 9457) with a stable `code`. On a loopback address a server without "
    "an administrator's key takes local callers without a key for its owner."
)
_PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457); some codes bring fields of their own.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def document_json(schemas: Schemas) -> bytes:
    """The document as it is served, checked against OpenAPI's own shape while it is built."""
    from openapi_pydantic import OpenAPI

    document = OpenAPI.model_validate(
        {
            "openapi": "3.1.1",
            "info": {"title": "buildd", "version": buildd.__version__, "description": _ABOUT},
            "security": [{"bearer": []}, {"session": []}],
            "paths": {
                **_operation_paths(schemas),
                **_file_paths(schemas),
                **_event_paths(schemas),
                **_login_path(),
                **_session_paths(),
                **_webhook_path(),
                **_open_paths(),
            },
            "components": _components(schemas),
        }
    )
    return document.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _operation_paths(schemas: Schemas) -> Json:
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        verbs = paths.setdefault(wire_path(operation), {})
        verbs[operation.http.method.lower()] = _described(operation, schemas)
    return paths


def _described(operation: type[Operation[Any]], schemas: Schemas) -> Json:
    name, inputs = operation.__name__, schemas.inputs(operation)
    about = " ".join((operation.__doc__ or "").split())
    described: Json = {
        "operationId": name[0].lower() + name[1:],
        "summary": about.split(". ")[0].rstrip("."),
        "description": f"{about} For {WHO[operation.access]}.",
        "tags": [operation.http.path.split("/")[2]],
        "parameters": [
            *(_parameter(each, "path", schema) for each, schema in inputs.path.items()),
            *(_parameter(each, "query", schema) for each, schema in inputs.query.items()),
            *(_parameter(each, "header", schema) for each, schema in inputs.headers.items()),
        ],
        "responses": {
            str(operation.http.status): _done(operation, schemas),
            **_problems(
                _OF_WRITES if operation.reads() else set(),
                conditional=issubclass(operation, Patch),
            ),
        },
    }
    if inputs.body:
        body = {"application/json": {"schema": {"$ref": PREFIX + name}}}
        required = any(each in inputs.required for each in inputs.body)
        described["requestBody"] = {"required": required, "content": body}
    return described


def _done(operation: type[Operation[Any]], schemas: Schemas) -> Json:
    done = _json("Done.", schemas.answer(operation))
    if not tagged(answer_of(operation)):
        return done
    said = "What to send as `If-Match` with a change, so that it overwrites no other."
    return {**done, "headers": {"ETag": {"description": said, "schema": {"type": "string"}}}}


def _problems(left_out: set[int], *, conditional: bool = False) -> Json:
    left_out = left_out if conditional else {412, *left_out}
    return {str(each): _problem_ref(each) for each in PROBLEMS if each not in left_out}


def _problem_ref(status: int) -> Json:
    return {"$ref": f"#/components/responses/Problem{status}"}


def _parameter(name: str, place: str, schema: Json) -> Json:
    parameter = {"name": name, "in": place, "required": place == "path", "schema": schema}
    if any(each.get("type") == "array" for each in (schema, *schema.get("anyOf", ()))):
        parameter["explode"] = False  # its values are separated by commas
    return parameter


def _json(said: str, schema: Json, media: str = "application/json") -> Json:
    return {"description": said, "content": {media: {"schema": schema}}}


def _event_paths(schemas: Schemas) -> Json:
    query = schemas.event_query()
    of_one = {name: each for name, each in query.items() if name != "workerId"}
    worker = _parameter("id", "path", {"type": "string"})
    ticket = {"type": "string", "description": "From /api/auth/ticket, for the very same query."}
    of_all = {**query, TICKET: ticket}
    return {
        "/api/events": {"get": _stream("events", "Everything that happens", of_all, [])},
        "/api/workers/{id}/events": {
            "get": _stream("workerEvents", "What happens to one worker", of_one, [worker])
        },
    }


def _stream(name: str, summary: str, query: Any, path: list[Json]) -> Json:
    resume = _parameter("Last-Event-ID", "header", {"type": "integer", "minimum": 0})
    answer = _json(
        "Server-sent events: `id` is its `seq`, `data` the whole Event. `event: reset` says "
        "that events were asked for which are no longer kept.",
        {"$ref": PREFIX + "Event"},
        "text/event-stream",
    )
    answer["headers"] = {
        POSITION_HEADER: {
            "description": "The feed's position when the stream was opened.",
            "schema": {"type": "integer"},
        }
    }
    return {
        "operationId": name,
        "summary": summary,
        "description": f"{summary}, as it happens. For {WHO[Access.READER]}.",
        "tags": ["events"],
        "parameters": [
            *path,
            *(_parameter(each, "query", schema) for each, schema in query.items()),
            resume,
        ],
        "responses": {"200": answer, **_problems(_OF_WRITES)},
    }


def _file_paths(schemas: Schemas) -> Json:
    return {wire_path(each): {each.http.method.lower(): _file(each, schemas)} for each in TRANSFERS}


def _file(transfer: type[Transfer], schemas: Schemas) -> Json:
    name, inputs = transfer.__name__, schemas.about_file(transfer)
    about = " ".join((transfer.__doc__ or "").split())
    described: Json = {
        "operationId": name[0].lower() + name[1:],
        "summary": about.split(". ")[0].rstrip("."),
        "description": f"{about} For {WHO[transfer.access]}.",
        "tags": ["files"],
        "parameters": [
            *(_parameter(each, "path", schema) for each, schema in inputs.path.items()),
            *(_parameter(each, "query", schema) for each, schema in inputs.query.items()),
        ],
    }
    # In OpenAPI 3.1 a media type without a schema is bytes.
    if not issubclass(transfer, Upload):
        done = {"description": "The bytes of the file.", "content": {"*/*": {}}}
        return {**described, "responses": {"200": done, **_problems({400, 413})}}
    answer = _json("Done.", {"$ref": PREFIX + transfer.answers.__name__})
    return {
        **described,
        "requestBody": {"required": True, "content": {"*/*": {}}},
        "responses": {str(transfer.http.status): answer, **_problems({400})},
    }


def _login_path() -> Json:
    text = {"type": "string"}
    asked = {"token": {**text, "description": "What GitHub signed for the run."}, "launchId": text}
    made = {"token": text, "taskId": text, "expiresAt": {**text, "format": "date-time"}}
    said = "A run of GitHub Actions logs in by its identity"
    about = (
        f"{said}, once for each token that GitHub signs for it with this server's URL as audience. "
        "It gets the acquisition token of its launch. Every refusal is the same."
    )
    return {
        "/api/auth/github-oidc": {
            "post": {
                "operationId": "logInRun",
                "summary": said,
                "description": about,
                "tags": ["auth"],
                "security": [],
                "requestBody": {"required": True, "content": _json("", _object(asked))["content"]},
                "responses": {"200": _json("Done.", _object(made)), **_problems({403, 404, 409})},
            }
        }
    }


def _webhook_path() -> Json:
    said = "GitHub tells what happens in a source's repository"
    about = (
        f"{said}. Instead of a key it has a signature, made with the source's secret; what is not "
        "signed, and a source that is not there, are refused alike. Each delivery has its effect once."
    )
    names = ("X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256")
    headers = [
        {**_parameter(each, "header", {"type": "string"}), "required": True} for each in names
    ]
    body = _json("", {"type": "object"})["content"]
    done = _json("Done, or nothing to do.", _object({"done": {"type": "string"}}))
    return {
        "/api/webhooks/github/{sourceId}": {
            "post": {
                "operationId": "hearWebhook",
                "summary": said,
                "description": about,
                "tags": ["sources"],
                "security": [],
                "parameters": [_parameter("sourceId", "path", {"type": "string"}), *headers],
                "requestBody": {"required": True, "content": body},
                "responses": {"200": done, **_problems({403, 404})},
            }
        }
    }


def _session_paths() -> Json:
    caller = _json("Who that is.", {"$ref": PREFIX + "Caller"})
    cookie = {"Set-Cookie": {"description": "The session.", "schema": {"type": "string"}}}
    ticket = _json("Shown this once.", {"$ref": PREFIX + "Ticket"})
    events = {"schema": {"$ref": PREFIX + "CreateTicket"}}
    login = _about_login("logIn", "A browser logs in with the key of a person")
    ask = _about_login("createTicket", "A browser asks for a ticket to one stream of events")
    return {
        "/api/auth/session": {
            "post": {
                **login,
                "description": f"{login['summary']}, and gets a session that ends with the key.",
                "security": [{"bearer": []}],
                "responses": {"201": {**caller, "headers": cookie}, **_problems({400, 404, 413})},
            },
            "get": {
                **_about_login("whoAmI", "Who is logged in"),
                "responses": {"200": caller, **_problems({404, *_OF_WRITES})},
            },
            "delete": {
                **_about_login("logOut", "A browser logs out, and its streams end"),
                "responses": {"204": {"description": "Done."}, **_problems(_OF_WRITES)},
            },
        },
        "/api/auth/ticket": {
            "post": {
                **ask,
                "description": f"{ask['summary']}. It works once, within a minute.",
                "requestBody": {"content": {"application/json": events}},
                "responses": {"201": ticket, **_problems({404, 409})},
            }
        },
    }


def _about_login(name: str, summary: str) -> Json:
    return {"operationId": name, "summary": summary, "tags": ["auth"]}


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _open_paths() -> Json:
    text, json = {"type": "string"}, {"type": "object"}
    return {
        path: {
            "get": {
                "operationId": path.rpartition("/")[2].removesuffix(".json"),
                "summary": summary,
                "tags": ["server"],
                "security": [],
                "responses": {
                    "200": _json(f"{summary}.", text if media.startswith("text/") else json, media),
                    **({"503": _problem_ref(503)} if path == "/ready" else {}),
                },
            }
        }
        for path, summary, media in (
            ("/health", "The process is up", "application/json"),
            ("/ready", "The database answers", "application/json"),
            ("/metrics", "Figures for Prometheus", "text/plain"),
            ("/api/openapi.json", "This document", "application/json"),
            ("/api/docs", "This document for people", "text/html"),
        )
    }


def _components(schemas: Schemas) -> Json:
    bodies: dict[str, Json] = {}
    for operation in OPERATIONS:
        inputs = schemas.inputs(operation)
        if inputs.body:
            bodies[operation.__name__] = {
                "type": "object",
                "additionalProperties": False,
                "properties": dict(inputs.body),
                "required": [name for name in inputs.body if name in inputs.required],
            }
    problem = {"$ref": PREFIX + "Problem"}
    return {
        "schemas": dict(sorted({**schemas.models, **bodies, "Problem": _PROBLEM}.items())),
        "responses": {
            f"Problem{status}": _json(said, problem, "application/problem+json")
            for status, said in PROBLEMS.items()
        },
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "The key of an account or administrator, or a worker's lease token.",
            },
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": SECURE_COOKIE,
                "description": (
                    "A browser's session. Only the server's own pages change anything with it. On "
                    f"plain HTTP, which this machine's browsers alone may use, it is `{COOKIE}`."
                ),
            },
        },
    }
