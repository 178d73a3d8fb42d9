"""Server-sent events: at once, in order, filtered, resumed, and ended with the server."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from buildd_server import turns
from tests.server.serving import Cast, Running, made, problem


@contextmanager
def stream(
    client: httpx2.Client, path: str = "/api/events", last: int | None = None, **query: Any
) -> Iterator[tuple[httpx2.Headers, Iterator[httpx2.ServerSentEvent]]]:
    headers = {} if last is None else {"last-event-id": str(last)}
    with client.sse(path, params=query, headers=headers) as events:
        assert events.response.status_code == 200
        yield events.response.headers, iter(events)


def test_a_stream_opens_at_once(admin: httpx2.Client) -> None:
    with admin.stream("GET", "/api/events") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert int(response.headers["x-buildd-seq"]) >= 0
        assert next(response.iter_lines()).startswith(":")


def test_what_happens_after_the_headers_arrives(admin: httpx2.Client, cast: Cast) -> None:
    with stream(admin, workspaceId=cast.workspace) as (headers, events):
        task = made(admin, "/api/tasks", workspaceId=cast.workspace, title="New")
        event = next(events)
    told = json.loads(event.data)
    assert event.event == "message"  # There is no `event:` field.
    assert int(event.id) == told["seq"] > int(headers["x-buildd-seq"])
    assert (told["type"], told["taskId"]) == ("task:created", task["id"])
    assert set(told) == {
        "seq", "type", "at", "workspaceId", "taskId", "workerId", "accountId", "data",
    }  # fmt: skip


def test_resuming_misses_nothing(admin: httpx2.Client, cast: Cast) -> None:
    for number in range(3):
        made(admin, "/api/tasks", workspaceId=cast.workspace, title=f"task {number}")
    with stream(admin, after=0, workspaceId=cast.workspace) as (_, events):
        seen = [int(event.id) for event in islice(events, 4)]
    assert seen == sorted(seen)
    with stream(admin, last=seen[1], workspaceId=cast.workspace) as (_, events):
        assert [int(event.id) for event in islice(events, 2)] == seen[2:]
    with stream(admin, after=seen[2], workspaceId=cast.workspace) as (_, events):
        assert int(next(events).id) == seen[3]


def test_the_header_wins_over_the_query(admin: httpx2.Client, cast: Cast) -> None:
    made(admin, "/api/tasks", workspaceId=cast.workspace, title="second")
    with stream(admin, after=0, workspaceId=cast.workspace) as (_, events):
        first, second = (int(event.id) for event in islice(events, 2))
    with stream(admin, last=first, after=0, workspaceId=cast.workspace) as (_, events):
        assert int(next(events).id) == second


def test_streams_are_filtered(admin: httpx2.Client, cast: Cast) -> None:
    other = made(admin, "/api/tasks", workspaceId=cast.workspace, title="other")
    made(admin, f"/api/tasks/{other['id']}/cancel")
    made(admin, f"/api/tasks/{cast.task}/cancel")
    with stream(admin, after=0, taskId=cast.task, types="task:cancelled,worker:error") as (
        _,
        events,
    ):
        told = json.loads(next(events).data)
    assert (told["type"], told["taskId"]) == ("task:cancelled", cast.task)


def test_an_account_sees_its_own_workspaces_only(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    hidden = made(admin, "/api/workspaces", name="hidden")
    with served.client(cast.key) as client, stream(client) as (_, events):
        made(admin, "/api/tasks", workspaceId=hidden["id"], title="secret")
        made(admin, "/api/tasks", workspaceId=cast.workspace, title="visible")
        assert json.loads(next(events).data)["workspaceId"] == cast.workspace


def test_a_lease_sees_its_worker(served: Running, admin: httpx2.Client, cast: Cast) -> None:
    with served.client(cast.key) as client:
        (claimed,) = made(client, "/api/workers/claim", taskId=cast.task)["workers"]
    path = f"/api/workers/{claimed['id']}/events"
    with served.client(claimed["lease"]["token"]) as agent, stream(agent, path) as (_, events):
        made(admin, "/api/tasks", workspaceId=cast.workspace, title="not its own")
        made(admin, f"/api/workers/{claimed['id']}/messages", content="hello")
        told = json.loads(next(events).data)
    assert (told["type"], told["workerId"]) == ("worker:message", claimed["id"])


def test_the_events_of_a_worker_that_is_not_there(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    problem(admin.get("/api/workers/wkr_none/events"), 404, "not_found")
    with served.client(cast.key) as client:
        (claimed,) = made(client, "/api/workers/claim", taskId=cast.task)["workers"]
    other = made(admin, "/api/accounts", type="user", name="Eve")
    with served.client(other["apiKey"]) as eve:
        problem(eve.get(f"/api/workers/{claimed['id']}/events"), 404, "not_found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kinds=task:created", "kinds"),
        ("types=task:invented", "types"),
        ("types=", "types"),
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=99999999999999999999", "after"),
        ("after=1&after=2", "after"),
        ("workspaceId=%00", "workspaceId"),
    ],
)
def test_a_wrong_parameter_is_named(admin: httpx2.Client, query: str, field: str) -> None:
    document = problem(admin.get(f"/api/events?{query}"), 422, "invalid")
    assert any(error["field"].startswith(field) for error in document["errors"])


def test_a_wrong_last_event_id_is_named(admin: httpx2.Client) -> None:
    response = admin.get("/api/events", headers={"last-event-id": "x"})
    assert problem(response, 422, "invalid")["errors"][0]["field"] == "Last-Event-ID"


def test_the_path_names_the_worker(admin: httpx2.Client, served: Running, cast: Cast) -> None:
    with served.client(cast.key) as client:
        (claimed,) = made(client, "/api/workers/claim", taskId=cast.task)["workers"]
    response = admin.get(f"/api/workers/{claimed['id']}/events?workerId=wkr_other")
    assert problem(response, 422, "invalid")["errors"][0]["field"] == "workerId"


def test_a_stream_is_only_for_get(admin: httpx2.Client) -> None:
    assert admin.head("/api/events").status_code == 405
    problem(admin.post("/api/events"), 405, "method_not_allowed")


def test_a_reader_that_leaves_is_forgotten(start: Callable[..., Running]) -> None:
    server = start(admin_key=None)
    listeners = server.broker._feed._listeners
    with server.client() as owner, stream(owner):
        assert len(listeners) == 1
    while listeners:
        pass  # The server sees the end of the connection a moment later.


def test_streams_end_when_the_server_stops(start: Callable[..., Running]) -> None:
    server = start(admin_key=None)
    with server.client() as owner, stream(owner) as (_, events):
        server.stop()
        assert list(events) == []


def test_a_stream_that_waits_for_its_turn_ends_well_when_the_server_stops(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_TURNS", 1e-6)
    server = start(admin_key=None)
    with server.client() as owner, stream(owner) as (_, events):
        made(owner, "/api/workspaces", name="one")
        assert json.loads(next(events).data)["type"] == "workspace:updated"
        server.stop()
        assert list(events) == []  # It would be an error to be cut off.


def test_a_stream_ends_with_its_key(served: Running, admin: httpx2.Client) -> None:
    account = made(admin, "/api/accounts", type="user", name="Gone")
    with served.client(account["apiKey"]) as client, stream(client) as (_, events):
        admin.delete(f"/api/accounts/{account['id']}/keys/{account['keyId']}")
        assert {json.loads(event.data)["type"] for event in events} <= {"account:updated"}


def test_what_is_no_longer_kept_is_said(start: Callable[..., Running], tmp_path: Path) -> None:
    server = start(admin_key=None)
    with server.client() as owner:
        workspace = made(owner, "/api/workspaces", name="shop")
        for number in range(4):
            made(owner, "/api/tasks", workspaceId=workspace["id"], title=f"task {number}")
        with closing(sqlite3.connect(tmp_path / "own.db")) as database, database:
            database.execute("DELETE FROM event WHERE seq < (SELECT max(seq) FROM event)")
        with stream(owner, last=1, types="task:created") as (_, events):
            reset, kept = islice(events, 2)
        with stream(owner, after=0) as (_, events):
            oldest = next(events)
    assert (reset.event, json.loads(reset.data)["type"]) == ("reset", "reset")
    assert int(reset.id) == int(kept.id) - 1
    assert (kept.event, oldest.id) == ("message", kept.id)
