"""The routes of a server as it really has them, and every place of a request where an id can stand."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from pydantic.alias_generators import to_camel
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from buildd import operations as ops
from buildd.ids import Kind
from buildd.operations import OPERATIONS, TRANSFERS, Http, Upload
from buildd.testing.conformance.access import CALLS, Things

Field = tuple[str | int, ...]
"""The way to a value in the JSON of a request."""

KINDS = {
    "accountId": Kind.ACCOUNT,
    "artifactId": Kind.ARTIFACT,
    "claimedBy": Kind.ACCOUNT,
    "dependsOn": Kind.TASK,
    "hookId": Kind.HOOK,
    "ids": Kind.TASK,
    "messageId": Kind.MESSAGE,
    "messagesAfter": Kind.MESSAGE,
    "poolId": Kind.POOL,
    "sourceId": Kind.SOURCE,
    "taskId": Kind.TASK,
    "text": Kind.TASK,
    "workerId": Kind.WORKER,
    "workspaceId": Kind.WORKSPACE,
}
"""What a field names, by its name."""
COLLECTIONS = {
    "accounts": Kind.ACCOUNT,
    "admin-keys": Kind.KEY,
    "artifacts": Kind.ARTIFACT,
    "attachments": Kind.ATTACHMENT,
    "comments": Kind.COMMENT,
    "deliveries": Kind.DELIVERY,
    "hooks": Kind.HOOK,
    "keys": Kind.KEY,
    "launches": Kind.LAUNCH,
    "messages": Kind.MESSAGE,
    "pools": Kind.POOL,
    "schedules": Kind.SCHEDULE,
    "sources": Kind.SOURCE,
    "tasks": Kind.TASK,
    "workers": Kind.WORKER,
    "workspaces": Kind.WORKSPACE,
}
"""What `{id}` names, by what stands before it in the path."""
EVERY: tuple[Any, ...] = (*OPERATIONS, *TRANSFERS)
THEIRS = {"agentId", "externalId", "githubId", "runId", "sessionId"}
"""Names that others give: they find nothing of ours."""
BY_HAND = {
    ("GET", "/api/events"): ({"workspaceId", "taskId", "workerId"}, set[str]()),
    ("GET", "/api/workers/{id}/events"): (set[str](), {"id"}),
    ("POST", "/api/auth/ticket"): ({"workspaceId", "taskId", "workerId"}, set[str]()),
}
"""The ids that routes take which no operation stands behind: in the query or body, and in the path."""


@dataclass(frozen=True)
class Place:
    """One field of one route where an id stands."""

    http: Http
    fields: dict[str, Any]
    """The request as its tenant would send it."""
    field: Field
    kind: Kind
    upload: bool = False

    def __str__(self) -> str:
        return f"{self.http.method} {self.http.path} {'.'.join(map(str, self.field))}"

    def send(self, client: httpx2.Client, id_: str) -> httpx2.Response:
        """The request with another id in this place."""
        fields = copy.deepcopy(self.fields)
        _put(fields, self.field, id_)
        path = self.http.path
        for name in self.http.path_fields:
            path = path.replace(f"{{{name}}}", fields.pop(to_camel(name)))
        if self.http.method == "GET" or self.upload:
            content = b"bytes" if self.upload else None
            return client.request(self.http.method, path, params=fields, content=content)
        return client.request(self.http.method, path, json=fields)


def places(things: Things, message: str, attachment: str) -> Iterator[Place]:
    """Every place in every operation, around requests about those things."""
    files: dict[type[Any], Any] = {
        ops.UploadArtifact: ops.UploadArtifact(worker_id=things.worker, type="file", filename="a"),
        ops.DownloadArtifact: ops.DownloadArtifact(id=things.artifact),
        ops.UploadAttachment: ops.UploadAttachment(message_id=message, filename="a"),
        ops.DownloadAttachment: ops.DownloadAttachment(id=attachment),
    }
    for kind in EVERY:
        call: Any = files[kind] if kind in files else CALLS[kind](things)  # type: ignore[index]
        sent = call.model_dump(mode="json", exclude_unset=True, by_alias=True)
        headers = {to_camel(name) for name, _ in kind.http.headers}
        for field in _fields(kind.model_json_schema(by_alias=True), sent):
            name = str(next(each for each in reversed(field) if isinstance(each, str)))
            if name not in headers | THEIRS:
                yield Place(kind.http, sent, field, _kind(kind.http, name), _uploads(kind))


def routes(app: Starlette) -> set[tuple[str, str]]:
    """Each method and path of an app, whatever the routes are wrapped in."""
    return {(method, path) for path, route in _walk(app, "") for method in route.methods or {"*"}}


def _walk(found: Any, prefix: str) -> Iterator[tuple[str, Route]]:
    for route in getattr(found, "routes", None) or []:
        if isinstance(route, Mount):
            yield from _walk(_unwrapped(route.app), prefix + route.path)
        else:
            yield prefix + route.path, route


def _unwrapped(app: Any) -> Any:
    while not getattr(app, "routes", None):
        app = app._app
    return app


def _uploads(kind: type[Any]) -> bool:
    return issubclass(kind, Upload)


def _kind(http: Http, name: str) -> Kind:
    if name == "id" and "{id}" in http.path:
        return COLLECTIONS[http.path.split("/{id}")[0].rpartition("/")[2]]
    return Kind.WORKER if name == "id" else KINDS[name]  # the reports of a batch are of workers


def _fields(schema: dict[str, Any], sent: dict[str, Any]) -> Iterator[Field]:
    """Where ids can stand in a request, whether they do in this one or not."""
    definitions = schema.get("$defs", {})
    for name, given in schema["properties"].items():
        if name == "id" or name in KINDS.keys() | THEIRS or name.endswith(("Id", "Ids")):
            yield (name,)
        else:
            for inner in _items(given, definitions):
                if isinstance(sent.get(name), list):
                    first = sent[name][0]
                    # Of a union only the branch that is sent can be compared.
                    if first.keys() <= inner["properties"].keys():
                        for rest in _fields({**inner, "$defs": definitions}, first):
                            yield (name, 0, *rest)


def _items(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if schema.get("type") != "array":
        return
    items = schema["items"]
    for each in items.get("oneOf", items.get("anyOf", [items])):
        if "$ref" in each:
            yield definitions[each["$ref"].rpartition("/")[2]]


def _put(fields: dict[str, Any], field: Field, id_: str) -> None:
    *way, last = field
    at: Any = fields
    for step in way:
        at = at[step]
    at[last] = [id_] if last == "dependsOn" else id_
