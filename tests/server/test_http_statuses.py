"""Bad requests: which status each gets, and that the key is looked at before anything else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest

from buildd import wire
from buildd.ids import Secret, new_secret
from buildd.operations import OPERATIONS
from buildd_server.dashboard import PAGES
from tests.server.serving import ADMIN_KEY, Cast, Running, made, problem

BAD_CREDENTIALS = [
    "",
    "Bearer",
    "Bearer buildd_typo",
    f"Bearer {new_secret(Secret.KEY)}",
    f"Bearer {new_secret(Secret.LEASE)}",
    f"Basic {ADMIN_KEY}",
    ADMIN_KEY,
]


@pytest.mark.parametrize("credential", [None, *BAD_CREDENTIALS], ids=range(8))
def test_the_key_comes_before_path_method_and_body(served: Running, credential: str | None) -> None:
    with served.client() as client:
        if credential is not None:
            client.headers["authorization"] = credential
        for method, path, body in (
            ("GET", "/api/nowhere", b""),
            ("GET", "/api/tasks/task_none", b""),
            ("GET", "/api/tasks?nonsense=1", b""),
            ("PUT", "/api/tasks", b"{}"),
            ("POST", "/api/tasks", b"{"),
            ("POST", "/api/tasks", b"\xff"),
            ("POST", "/api/tasks", b"x" * (wire.BODY_LIMIT + 1)),
            ("GET", "/api/events?nonsense=1", b""),
            ("GET", "/api/workers/wkr_none/events", b""),
        ):
            response = client.request(method, path, content=body)
            problem(response, 401, "not_authenticated")
            assert response.headers["www-authenticate"].startswith("Bearer")


def test_every_operation_asks_for_a_key(served: Running) -> None:
    with served.client() as client:
        for operation in OPERATIONS:
            path = operation.http.path.format(**dict.fromkeys(operation.http.path_fields, "x"))
            problem(client.request(operation.http.method.value, path), 401, "not_authenticated")


def test_the_open_routes_ask_for_none(served: Running) -> None:
    with served.client() as client:
        for path in (*PAGES, "/health", "/ready", "/metrics", "/api/openapi.json", "/api/docs"):
            assert client.get(path).status_code == 200


def test_nothing_is_at_an_unknown_path(admin: httpx2.Client) -> None:
    for path in ("/api/nowhere", "/api/tasks/", "/api", "/nowhere", "/api/tasks/a/b/c"):
        problem(admin.get(path), 404, "not_found")


def test_an_encoded_slash_divides_nothing(admin: httpx2.Client, cast: Cast) -> None:
    problem(admin.post(f"/api/tasks/{cast.task}%2Fcancel"), 404, "not_found")
    assert admin.get(f"/api/tasks/{cast.task}").json()["status"] == "pending"


def test_a_wrong_method_is_told_which_ones_there_are(admin: httpx2.Client) -> None:
    response = admin.put("/api/tasks")
    problem(response, 405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"name": "\xc3"}',
        b'{"name": NaN}',
        b"[" * 10_000,
        b'{"name": "\\ud800"}',
    ],
    ids=["cut", "not utf-8", "half a character", "not a number", "deep", "lone surrogate"],
)
def test_malformed_json(admin: httpx2.Client, body: bytes) -> None:
    problem(admin.post("/api/workspaces", content=body), 400, "malformed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ([], "body"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "nul\x00"}, "name"),
        ({"name": "shop", "memory": {"deep": ["\x00"]}}, "memory"),
        ({"name": "shop", "colour": "red"}, "colour"),
        ({"name": "shop", "local_path": "x"}, "local_path"),
        ({"name": "shop", "maxConcurrentWorkers": 0}, "maxConcurrentWorkers"),
        ({"name": "shop", "maxConcurrentWorkers": "3"}, "maxConcurrentWorkers"),
        ({"name": "shop", "maxCostPerDay": "1"}, "maxCostPerDay"),
        ({"name": "shop", "maxCostPerDay": -1}, "maxCostPerDay"),
    ],
)
def test_a_wrong_field_is_named(admin: httpx2.Client, body: object, field: str) -> None:
    document = problem(admin.post("/api/workspaces", json=body), 422, "invalid")
    assert field in [error["field"] for error in document["errors"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=lost", "status"),
        ("stat=pending", "stat"),
        ("workspaceId=%00", "workspaceId"),
        ("cursor=", "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(admin: httpx2.Client, query: str, field: str) -> None:
    document = problem(admin.get(f"/api/tasks?{query}"), 422, "invalid")
    assert field in [error["field"] for error in document["errors"]]


def test_a_verb_takes_its_fields_in_the_body(admin: httpx2.Client) -> None:
    response = admin.post("/api/workspaces?name=shop", json={"name": "shop"})
    assert problem(response, 422, "invalid")["errors"][0]["field"] == "name"


def test_the_path_is_not_repeated_in_the_body(admin: httpx2.Client, cast: Cast) -> None:
    response = admin.patch(f"/api/tasks/{cast.task}", json={"id": cast.task, "title": "x"})
    assert problem(response, 422, "invalid")["errors"][0]["field"] == "id"


def test_a_body_over_the_limit(admin: httpx2.Client) -> None:
    problem(admin.post("/api/tasks", content=b" " * (wire.BODY_LIMIT + 1)), 413, "too_large")


def test_a_body_over_the_limit_that_does_not_say_so(admin: httpx2.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(wire.BODY_LIMIT // 65536 + 2):
            yield b" " * 65536

    problem(admin.post("/api/tasks", content=chunks()), 413, "too_large")


def test_a_body_at_the_limit_is_read(admin: httpx2.Client) -> None:
    body = json.dumps({"name": "shop"}).encode().ljust(wire.BODY_LIMIT)
    assert admin.post("/api/workspaces", content=body).status_code == 201


def test_what_may_not_be_seen_looks_like_what_is_not_there(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    other = made(admin, "/api/accounts", type="user", name="Eve")
    with served.client(other["apiKey"]) as eve:
        for path, unknown in ((f"/api/tasks/{cast.task}", "/api/tasks/task_none"),):
            hidden = problem(eve.get(path), 404, "not_found")
            absent = problem(eve.get(unknown), 404, "not_found")
            assert hidden == absent
        assert eve.get("/api/tasks").json() == []
        problem(eve.post(f"/api/tasks/{cast.task}/cancel"), 404, "not_found")


def test_a_kind_of_caller_that_may_never(served: Running, admin: httpx2.Client, cast: Cast) -> None:
    with served.client(cast.key) as max_:
        problem(max_.get("/api/accounts"), 403, "forbidden")
        problem(max_.post("/api/workspaces", json={"name": "mine"}), 403, "forbidden")
        task = {"workspaceId": cast.workspace, "title": "mine"}
        problem(max_.post("/api/tasks", json=task), 403, "forbidden")
        (claimed,) = made(max_, "/api/workers/claim", taskId=cast.task)["workers"]
        problem(max_.post(f"/api/workers/{claimed['id']}/heartbeat"), 403, "forbidden")
    problem(admin.post("/api/workers/claim", json={}), 403, "forbidden")
    with served.client(claimed["lease"]["token"]) as lease:
        problem(lease.post("/api/workers/claim", json={}), 403, "forbidden")
        problem(lease.get("/api/accounts"), 403, "forbidden")
        assert lease.post(f"/api/workers/{claimed['id']}/heartbeat").status_code == 200


def test_what_does_not_fit_the_state(admin: httpx2.Client, cast: Cast) -> None:
    problem(admin.post(f"/api/tasks/{cast.task}/retry"), 409, "wrong_state")
    assert admin.post(f"/api/tasks/{cast.task}/cancel").json()["status"] == "cancelled"
    claim = {"workspaceId": cast.workspace, "taskId": cast.task, "accountId": cast.account}
    refused = problem(admin.post("/api/workers", json=claim), 409, "not_claimable")
    assert refused["reason"]["code"]


def test_a_revoked_key_is_unknown(served: Running, admin: httpx2.Client, cast: Cast) -> None:
    made(admin, f"/api/accounts/{cast.account}/keys")
    account = made(admin, "/api/accounts", type="user", name="Gone")
    with served.client(account["apiKey"]) as gone:
        assert gone.get("/api/accounts/me").json()["id"] == account["id"]
        revoked = admin.delete(f"/api/accounts/{account['id']}/keys/{account['keyId']}")
        assert revoked.status_code == 200
        while gone.get("/api/accounts/me").status_code == 200:
            pass  # A key is remembered for a moment; if it is never forgotten, the test times out.
        problem(gone.get("/api/accounts/me"), 401, "not_authenticated")
