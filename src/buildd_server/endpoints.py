"""Routes as a projection of the operation table: one factory, no verb has code of its own here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from buildd import errors, wire
from buildd.broker import Broker
from buildd.ids import Kind
from buildd.models import Model
from buildd.operations import OPERATIONS, ClaimTasks, Operation, Paged, etag_of
from buildd_server.auth import principal_of
from buildd_server.bodies import read_body
from buildd_server.origin import origin_of
from buildd_server.packing import packed
from buildd_server.ratelimit import Room, sharer
from buildd_server.waiting import Shutdown, settled, settled_while_wanted

PREFIX = "/api"
AGENTS = f"{PREFIX}/workers"
"""Below this is what agents ask for all the time."""
JSON_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
HOMES: dict[str, str] = {
    Kind.ACCOUNT: "/api/accounts",
    Kind.WORKSPACE: "/api/workspaces",
    Kind.TASK: "/api/tasks",
    Kind.WORKER: "/api/workers",
    Kind.ARTIFACT: "/api/artifacts",
    Kind.ATTACHMENT: "/api/attachments",
}
"""Where a thing of each kind can be read, by the prefix of its id."""
CLAIMS = 10_000
"""Claims that wait at a time, which take 25 kB each: 250 MB, with ten accounts and more that want them."""
CLAIMS_OF_ONE = 1_000
"""Of these for one account, of which none gets a server into trouble."""

Verbs = Mapping[str, type[Operation[Any]]]


def operation_routes(broker: Broker, shutdown: Shutdown) -> Iterator[Route]:
    """A route for each path of the table, below the API's prefix.

    They are tried one after the other: literal paths come before others, and what agents ask for first,
    who send most of all requests.
    """
    room = Room(CLAIMS, CLAIMS_OF_ONE, "waiting claims")
    paths: dict[str, dict[str, type[Operation[Any]]]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.http.path, {})[operation.http.method.value] = operation
    for path in sorted(paths, key=lambda path: (not path.startswith(AGENTS), path.count("{"))):
        endpoint = _Endpoint(paths[path], broker, shutdown, room)
        yield Route(path.removeprefix(PREFIX), endpoint.answer, methods=list(paths[path]))


class _Endpoint:
    """One path with its verbs."""

    def __init__(self, verbs: Verbs, broker: Broker, shutdown: Shutdown, room: Room) -> None:
        self._verbs = verbs
        self._broker = broker
        self._shutdown = shutdown
        self._room = room

    async def answer(self, request: Request) -> Response:
        """Decode the operation, have it done, encode its answer."""
        if b"%2f" in request.scope["raw_path"].lower():
            # Decoded, it reads as a border between two parts of the path, which it is not.
            raise errors.NotFound
        verb = self._verbs["GET" if request.method == "HEAD" else request.method]
        body = b"" if verb.reads() else await read_body(request)
        operation = wire.decode(verb, request.path_params, query_of(request), body, request.headers)
        result = await self._result(operation, request)
        answer, said = packed(verb.answer().dump_json(result, by_alias=True), request)
        return Response(
            answer,
            verb.http.status,
            {**JSON_HEADERS, **said, **_links(operation, result, request), **_tag(result)},
            "application/json",
        )

    async def _result(self, operation: Operation[Any], request: Request) -> Any:
        who, origin = principal_of(request), origin_of(request)
        if not (isinstance(operation, ClaimTasks) and operation.wait_seconds):
            return await settled(self._broker.submit(operation, who, origin))
        with self._room.one(sharer(request.scope)):
            future = self._broker.submit(operation, who, origin)
            return await settled_while_wanted(future, request, self._shutdown)


def query_of(request: Request) -> dict[str, str]:
    """The query's fields. Raises `Invalid` for one that is given twice."""
    fields: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in fields:
            raise errors.Invalid.field(name, "is given twice")
        fields[name] = value
    return fields


def _links(operation: Operation[Any], result: Any, request: Request) -> dict[str, str]:
    if operation.http.status == HTTPStatus.CREATED:
        return _location(getattr(result, "id", ""))
    if isinstance(operation, Paged) and len(result) == operation.limit:
        return _next_page(request, result)
    return {}


def _tag(result: Any) -> dict[str, str]:
    tag = etag_of(result) if isinstance(result, Model) else None
    return {} if tag is None else {"etag": tag}


def _location(id_: str) -> dict[str, str]:
    home = HOMES.get(id_.partition("_")[0])
    return {"location": f"{home}/{id_}"} if home else {}


def _next_page(request: Request, page: Iterable[Any]) -> dict[str, str]:
    *_, last = page
    query = urlencode({**request.query_params, "cursor": last.id})
    return {"link": f'<{quote(request.scope["path"])}?{query}>; rel="next"'}
