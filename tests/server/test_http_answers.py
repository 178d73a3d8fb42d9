"""Good requests: statuses, headers, paging, and the waits that end with their client."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx2

from tests.server.serving import ADMIN_KEY, Cast, Running, made, problem


def test_creating_answers_201_and_where_to_find_it(admin: httpx2.Client) -> None:
    response = admin.post("/api/workspaces", json={"name": "shop"})
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/workspaces/{response.json()['id']}"
    assert admin.get(response.headers["location"]).json() == response.json()


def test_a_claim_by_name_says_where_its_worker_is(admin: httpx2.Client, cast: Cast) -> None:
    claim = {"workspaceId": cast.workspace, "taskId": cast.task, "accountId": cast.account}
    response = admin.post("/api/workers", json=claim)
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/workers/{response.json()['id']}"
    assert admin.get(response.headers["location"]).json()["taskId"] == cast.task


def test_what_cannot_be_read_alone_has_no_location(admin: httpx2.Client, cast: Cast) -> None:
    response = admin.post(f"/api/accounts/{cast.account}/keys")
    assert response.status_code == 201
    assert "location" not in response.headers


def test_other_verbs_answer_200_with_or_without_a_body(admin: httpx2.Client, cast: Cast) -> None:
    assert admin.post(f"/api/tasks/{cast.task}/cancel").status_code == 200
    assert admin.post(f"/api/tasks/{cast.task}/retry", json={}).status_code == 200
    assert admin.delete(f"/api/tasks/{cast.task}").json() == {"id": cast.task, "deleted": True}


def test_answers_are_kept_by_nobody(admin: httpx2.Client) -> None:
    response = admin.get("/api/tasks")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_me_is_an_account_and_not_an_id(served: Running, cast: Cast) -> None:
    with served.client(cast.key) as client:
        assert client.get("/api/accounts/me").json()["id"] == cast.account


def test_head_is_get_without_a_body(admin: httpx2.Client) -> None:
    response = admin.head("/api/tasks")
    assert response.status_code == 200
    assert response.content == b""


def test_pages_lead_from_one_to_the_next(admin: httpx2.Client, cast: Cast) -> None:
    ids = [cast.task]
    for number in range(4):
        task = made(admin, "/api/tasks", workspaceId=cast.workspace, title=f"task {number}")
        ids.append(task["id"])
    seen = []
    url: str | None = f"/api/tasks?workspaceId={cast.workspace}&status=pending&limit=2"
    while url is not None:
        response = admin.get(url)
        seen += [task["id"] for task in response.json()]
        url = response.links.get("next", {}).get("url")
    assert seen == ids[::-1]


def test_a_page_that_is_not_full_is_the_last(admin: httpx2.Client, cast: Cast) -> None:
    response = admin.get("/api/tasks", params={"workspaceId": cast.workspace})
    assert len(response.json()) == 1
    assert "link" not in response.headers


def test_a_claim_waits_and_is_woken(served: Running, admin: httpx2.Client, cast: Cast) -> None:
    with served.client(cast.key) as client:
        assert len(made(client, "/api/workers/claim")["workers"]) == 1
        answer: list[dict[str, Any]] = []

        def wait() -> None:
            answer.append(made(client, "/api/workers/claim", waitSeconds=60))

        waiting = threading.Thread(target=wait)
        waiting.start()
        task = made(admin, "/api/tasks", workspaceId=cast.workspace, title="Next")
        waiting.join()
    (worker,) = answer[0]["workers"]
    assert worker["taskId"] == task["id"]


def test_a_claim_takes_nothing_for_a_client_that_left(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    with served.client(cast.key) as client:
        made(client, "/api/workers/claim")
        _send_and_leave(served, cast.key, "/api/workers/claim", {"waitSeconds": 60})
        for _ in range(20):  # The server's loop sees the end of the connection between these.
            assert client.get("/api/accounts/me").status_code == 200
        task = made(admin, "/api/tasks", workspaceId=cast.workspace, title="Next")
        (worker,) = made(client, "/api/workers/claim")["workers"]
    assert worker["taskId"] == task["id"]


def test_a_write_goes_on_when_its_client_leaves(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    body = {"workspaceId": cast.workspace, "title": "sent and forgotten"}
    _send_and_leave(served, ADMIN_KEY, "/api/tasks", body)
    with admin.sse(f"/api/events?workspaceId={cast.workspace}&after=0") as events:
        for event in events:
            if json.loads(event.data)["data"].get("title") == body["title"]:
                break


def test_a_waiting_claim_ends_when_the_server_stops(start: Callable[..., Running]) -> None:
    server = start(admin_key=None)
    with server.client() as owner:
        account = made(owner, "/api/accounts", type="user", name="Max")
    with (
        server.client(account["apiKey"]) as client,
        client.stream("GET", "/api/events") as _open,
    ):
        threading.Timer(0, server.stop).start()
        response = client.post("/api/workers/claim", json={"waitSeconds": 60})
    assert problem(response, 503, "unavailable")
    assert response.headers["retry-after"]


def _send_and_leave(served: Running, key: str, path: str, body: object) -> None:
    content = json.dumps(body)
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n{content}".encode()
        )
