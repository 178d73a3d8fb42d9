"""Tickets: one stream of exactly the events that were asked for, once and soon; and what logs tell of it."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx2
import pytest

from buildd_server.settings import LogFormat
from tests.server.serving import ADMIN_KEY, Cast, Running, made, problem, running
from tests.server.test_event_streams import stream
from tests.server.test_logs import ADMIN_KEY as OPERATOR
from tests.server.test_logs import log  # noqa: F401 - a fixture
from tests.server.test_sessions import SESSION, browser

TICKET = "/api/auth/ticket"
EVENTS = "/api/events"


@pytest.fixture
def page(served: Running) -> Any:
    """Who has no header to send a key in."""
    with served.client() as client:
        yield client


def test_a_ticket_opens_one_stream_once(
    served: Running, admin: httpx2.Client, cast: Cast, page: httpx2.Client
) -> None:
    wanted = {"workspaceId": cast.workspace, "types": ["task:created", "task:updated"]}
    with served.client(cast.key) as client:
        answer = client.post(TICKET, json=wanted)
    assert answer.status_code == 201
    assert set(answer.json()) == {"ticket", "expiresAt"}
    assert answer.headers["cache-control"] == "no-store"
    query = {
        "ticket": answer.json()["ticket"],
        "workspaceId": cast.workspace,
        "types": "task:updated,task:created",
    }
    with stream(page, **query) as (_, events):
        hidden = made(admin, "/api/workspaces", name="hidden")["id"]
        made(admin, "/api/tasks", workspaceId=hidden, title="secret")
        made(admin, "/api/tasks", workspaceId=cast.workspace, title="visible")
        assert json.loads(next(events).data)["data"]["title"] == "visible"
    problem(page.get(EVENTS, params=query), 401, "not_authenticated")


def test_a_ticket_sees_what_its_caller_could(
    served: Running, admin: httpx2.Client, cast: Cast, page: httpx2.Client
) -> None:
    hidden = made(admin, "/api/workspaces", name="hidden")["id"]
    with served.client(cast.key) as client:
        ticket = made(client, TICKET)["ticket"]
    with stream(page, ticket=ticket) as (_, events):
        made(admin, "/api/tasks", workspaceId=hidden, title="secret")
        made(admin, "/api/tasks", workspaceId=cast.workspace, title="visible")
        assert json.loads(next(events).data)["workspaceId"] == cast.workspace


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"taskId": "task_other"},
        {"taskId": "task_1", "types": "task:created"},
        {"taskId": "task_1", "workspaceId": "ws_1"},
    ],
)
def test_a_ticket_for_other_events_is_refused(
    admin: httpx2.Client, page: httpx2.Client, query: dict[str, str]
) -> None:
    ticket = made(admin, TICKET, taskId="task_1")["ticket"]
    answer = page.get(EVENTS, params={**query, "ticket": ticket})
    assert "other events" in problem(answer, 401, "not_authenticated")["detail"]
    # That was its one time.
    answer = page.get(EVENTS, params={"taskId": "task_1", "ticket": ticket})
    assert "was used" in problem(answer, 401, "not_authenticated")["detail"]


def test_a_ticket_opens_nothing_else(admin: httpx2.Client, page: httpx2.Client) -> None:
    ticket = made(admin, TICKET)["ticket"]
    for path in ("/api/tasks", "/api/workers/wkr_1/events", SESSION):
        problem(page.get(path, params={"ticket": ticket}), 401, "not_authenticated")
    problem(page.post("/api/workspaces", params={"ticket": ticket}), 401, "not_authenticated")
    headers = {"authorization": f"Bearer {ticket}"}
    problem(page.get(EVENTS, headers=headers), 401, "not_authenticated")
    with stream(page, ticket=ticket):
        pass  # It is as good as new.


def test_what_is_no_ticket(page: httpx2.Client) -> None:
    for ticket in ("", "nonsense", ADMIN_KEY, f"buildd_ticket_{'x' * 36}"):
        problem(page.get(EVENTS, params={"ticket": ticket}), 401, "not_authenticated")


def test_a_ticket_that_came_too_late(start: Callable[..., Running], tmp_path: Path) -> None:
    server = start()
    with server.client(ADMIN_KEY) as admin, server.client() as page:
        ticket = made(admin, TICKET)["ticket"]
        with closing(sqlite3.connect(tmp_path / "own.db")) as database, database:
            database.execute("UPDATE ticket SET expires_at = datetime('now', '-1 second')")
        problem(page.get(EVENTS, params={"ticket": ticket}), 401, "not_authenticated")


def test_its_stream_ends_with_the_session_or_the_key(
    served: Running, admin: httpx2.Client, page: httpx2.Client
) -> None:
    account = made(admin, "/api/accounts", type="user", name="Max")
    with browser(served, account["apiKey"]) as logged_in:
        tickets = [made(logged_in, TICKET)["ticket"] for _ in range(2)]
        with stream(page, ticket=tickets.pop()) as (_, events):
            assert logged_in.delete(SESSION).status_code == 204
            assert {json.loads(each.data)["type"] for each in events} <= {"account:updated"}
    problem(page.get(EVENTS, params={"ticket": tickets.pop()}), 401, "not_authenticated")
    with served.client(account["apiKey"]) as client:
        tickets = [made(client, TICKET)["ticket"] for _ in range(2)]
    with stream(page, ticket=tickets.pop()) as (_, events):
        admin.delete(f"/api/accounts/{account['id']}/keys/{account['keyId']}")
        assert {json.loads(each.data)["type"] for each in events} <= {"account:updated"}
    problem(page.get(EVENTS, params={"ticket": tickets.pop()}), 401, "not_authenticated")


def test_who_gets_one(served: Running, admin: httpx2.Client, cast: Cast) -> None:
    with served.client(cast.key) as client:
        [claimed] = made(client, "/api/workers/claim", taskId=cast.task)["workers"]
    with served.client(claimed["lease"]["token"]) as agent:
        problem(agent.post(TICKET), 403, "forbidden")
    with browser(served) as logged_in:
        answer = logged_in.post(TICKET, headers={"origin": "https://evil.example"})
        problem(answer, 403, "forbidden")
    for body, field in (({"after": 3}, "after"), ({"types": ["invented"]}, "types")):
        errors = problem(admin.post(TICKET, json=body), 422, "invalid")["errors"]
        assert errors[0]["field"].startswith(field)


def test_no_log_holds_what_opens_anything(
    log: Callable[..., tuple[io.StringIO, Any]],  # noqa: F811
    tmp_path: Path,
) -> None:
    """S15: all that a server logs at INFO while every kind of credential is used, in every way."""
    lines, write = log(LogFormat.JSON)
    with (
        running(f"sqlite:///{tmp_path}/own.db", OPERATOR, write) as server,
        server.client() as client,
    ):
        used = _use_everything(client, server.url)
    logged = lines.getvalue()
    assert logged.count("\n") > len(used)
    assert f"GET {EVENTS} 200" in logged
    assert "buildd_" not in logged.replace("buildd_server", "")
    assert [each for each in used if each in logged] == []


def _use_everything(client: httpx2.Client, url: str) -> list[str]:
    """Each credential that was used, where it belongs and where it does not."""

    def as_key(key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def post(path: str, key: str, **fields: Any) -> dict[str, Any]:
        answer = client.post(path, json=fields, headers=as_key(key))
        assert answer.is_success, answer.text
        body: dict[str, Any] = answer.json()
        return body

    workspace = post("/api/workspaces", OPERATOR, name="shop")["id"]
    account = post("/api/accounts", OPERATOR, type="user", name="Max")
    post(f"/api/accounts/{account['id']}/workspaces", OPERATOR, workspaceId=workspace)
    post("/api/tasks", OPERATOR, workspaceId=workspace, title="Fix it")
    key = account["apiKey"]
    lease = post("/api/workers/claim", key)["workers"][0]["lease"]["token"]
    enrolment = post(f"/api/accounts/{account['id']}/enrolments", OPERATOR)["token"]
    [header] = client.post(SESSION, headers=as_key(key)).headers.get_list("set-cookie")
    [cookie] = SimpleCookie(header).values()
    assert client.get(SESSION, headers={"origin": url}).json()["accountId"] == account["id"]
    ticket = post(TICKET, key)["ticket"]
    with client.stream("GET", EVENTS, params={"ticket": ticket}) as opened:
        assert opened.status_code == 200
    used = [OPERATOR, key, lease, enrolment, cookie.value, ticket]
    for secret in used:
        for path in (EVENTS, "/api/tasks", f"/api/tasks/{secret}", "/nowhere"):
            for headers in (as_key(secret), {"cookie": f"buildd_session={secret}"}):
                query = {"ticket": secret, "api_key": secret}
                with client.stream("GET", path, params=query, headers=headers):
                    pass  # Some of them would go on for ever.
    return used
