"""Tenants are sealed off: every route, every place for an id, every kind of caller, generated from the app.

What a caller may not see must answer exactly as what does not exist, or an id that was overheard could
be tried out (S4 and S5 of the threat model).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from buildd.ids import Kind, Secret, new_secret
from buildd.testing.conformance.access import things_of
from buildd.testing.conformance.stage import Stage
from buildd_server.app import create_app
from buildd_server.dashboard import ASSET, PAGES
from buildd_server.settings import Settings
from tests.server.serving import Running, running
from tests.tenancy.routes import BY_HAND, EVERY, KINDS, Place, places, routes
from tests.tenancy.tenants import Tenant, absent, owner, settled

OPEN = {
    *(("GET", path) for path in (*PAGES, ASSET)),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("GET", "/api/docs"),
    ("GET", "/api/openapi.json"),
}
"""What answers without a key."""
ELSEWHERE = {
    ("POST", "/api/auth/github-oidc"): "tests/server/test_oidc.py",
    ("POST", "/api/auth/session"): "tests/server/test_sessions.py",
    ("GET", "/api/auth/session"): "tests/server/test_sessions.py",
    ("DELETE", "/api/auth/session"): "tests/server/test_sessions.py",
    ("POST", "/api/webhooks/github/{source_id}"): "tests/webhooks",
    ("*", "/mcp"): "its tools are operations, each by itself: tests/mcp",
}
"""Routes that take no id of ours, and where they are tried."""
CALLERS = ["account", "lease", "acquire", "enrol"]
REFUSED = {401, 403, 404, 409, 422}
_ID = re.compile(r"\b[a-z]+_[0-9a-z]{26}\b")


@dataclass
class Town:
    """A server with three tenants, and all the places of its routes, about the first one's things."""

    server: Running
    file: Path
    tenants: list[Tenant]
    places: list[Place]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    file = tmp_path_factory.mktemp("town") / "buildd.db"
    with running(f"sqlite:///{file}", rate_limit=0) as server:
        tenants = [settled(server) for _ in range(3)]
        ids = tenants[0].ids
        stage = Stage(owner(server))
        found = [*places(things_of(stage), ids[Kind.MESSAGE], ids[Kind.ATTACHMENT])]
        yield Town(server, file, tenants, found)


def test_every_route_has_its_row(town: Town) -> None:
    app = create_app(town.server.broker, Settings())
    known = {(each.http.method.value, each.http.path) for each in EVERY}
    known |= OPEN | BY_HAND.keys() | ELSEWHERE.keys()
    there = {route for route in routes(app) if route[0] != "HEAD"}
    assert there == known


def test_every_id_in_a_path_has_its_place(town: Town) -> None:
    ways = {(each.http.path, each.field[-1]) for each in town.places}
    for operation in EVERY:
        for name in operation.http.path_fields:
            camel = "".join(w.title() if i else w for i, w in enumerate(name.split("_")))
            assert (operation.http.path, camel) in ways


@pytest.mark.parametrize("caller", CALLERS)
def test_what_is_anothers_answers_as_what_is_not_there(town: Town, caller: str) -> None:
    mine, *others = town.tenants
    before = _rows_of(town.file, others)
    cells, differences = 0, []
    with town.server.client(mine.credentials[caller]) as client:
        for place in town.places:
            nothing = _said(place.send(client, absent()[place.kind]))
            for other in others:
                if place.kind.value in other.ids:
                    cells += 1
                    told = _said(place.send(client, other.ids[place.kind.value]))
                    if told != nothing or not (told[0] in REFUSED or _empty(told[1])):
                        differences.append((str(place), told, nothing))
    assert differences == []
    assert cells >= 2 * len(town.places) - 8
    assert _rows_of(town.file, others) == before


@pytest.mark.parametrize("caller", CALLERS)
def test_anothers_events_are_as_those_of_nobody(town: Town, caller: str) -> None:
    mine, *others = town.tenants
    with town.server.client(mine.credentials[caller]) as client:
        for (method, path), (fields, ids) in BY_HAND.items():
            for name in sorted(fields | ids):
                kind = KINDS.get(name, Kind.WORKER)
                told = [
                    _opened(client, method, path, name, ids[kind])
                    for ids in (absent(), *(other.ids for other in others))
                ]
                assert told == told[:1] * 3


def _opened(
    client: httpx2.Client, method: str, path: str, name: str, id_: str
) -> tuple[int, dict[str, str]]:
    """How a stream, or a ticket for one, begins."""
    query = {} if name in path else {name: id_}
    how: Any = {"params": query} if method == "GET" else {"json": query}
    with client.stream(method, path.replace("{id}", id_), **how) as response:
        headers = {"x-request-id", "date", "content-length"}
        return response.status_code, {
            name: value for name, value in response.headers.items() if name not in headers
        }


def _said(response: httpx2.Response) -> tuple[int, Any]:
    """What can be learnt from an answer, whatever id was asked for."""
    try:
        document = response.json()
    except ValueError:
        return response.status_code, response.content
    if isinstance(document, dict):
        document.pop("requestId", None)
    return response.status_code, _scrubbed(document)


def _empty(answer: Any) -> bool:
    """Whether an answer of 200 says that there is nothing: no rows, no attempt, or an error each."""
    if isinstance(answer, list):
        return all(each.get("error") for each in answer)
    return isinstance(answer, dict) and not any(
        value for name, value in answer.items() if name != "reason"
    )


def _scrubbed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _scrubbed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_scrubbed(each) for each in value]
    return _ID.sub("ID", value) if isinstance(value, str) else value


def _rows_of(file: Path, tenants: list[Tenant]) -> dict[str, list[str]]:
    """Every row in which an id of those tenants stands."""
    theirs = {each for tenant in tenants for each in tenant.ids.values()}
    found = {}
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for name in names:
            # When a key was used is written down a while later.
            columns = [row[1] for row in db.execute(f'PRAGMA table_info("{name}")')]
            wanted = ", ".join(f'"{each}"' for each in columns if each != "last_used_at")
            rows = map(repr, db.execute(f'SELECT {wanted} FROM "{name}"'))  # noqa: S608 - the schema's
            found[name] = sorted(row for row in rows if any(each in row for each in theirs))
    return found


@pytest.mark.parametrize("credential", [None, "Bearer buildd_typo", "unknown", "cookie"])
def test_without_a_key_nothing_is_told(town: Town, credential: str | None) -> None:
    headers = {}
    if credential == "cookie":
        headers["cookie"] = f"buildd_session={new_secret(Secret.SESSION)}"
    elif credential is not None:
        unknown = f"Bearer {new_secret(Secret.KEY)}"
        headers["authorization"] = unknown if credential == "unknown" else credential
    with town.server.client(**headers) as client:
        for method, path in sorted(routes(create_app(town.server.broker, Settings()))):
            if (method, path) not in OPEN and method not in {"HEAD", "*"}:
                filled = re.sub(r"{.*?}", "x", path)
                response = client.request(method, filled)
                # GitHub's token travels in the body, and there is none.
                refused = 422 if path == "/api/auth/github-oidc" else 401
                assert (response.status_code, path) == (refused, path)
