"""Browsers log in with a key, and nothing but this server's own pages can use what they hold then."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.routing import BaseRoute, Mount, Route, Router

from buildd_server.auth import Authenticated
from buildd_server.browsers import SAFE_METHODS
from tests.server.serving import ADMIN_KEY, Cast, Running, made, problem, running
from tests.server.test_event_streams import stream

SESSION = "/api/auth/session"
PUBLIC = "https://buildd.example.com"
VOLATILE = {"setting", "sqlite_stat1", "api_key"}
"""Tables that a server writes by itself: the stamps of its rounds, and when a key was last used."""


@contextmanager
def browser(server: Running, key: str = ADMIN_KEY, **headers: str) -> Iterator[httpx2.Client]:
    """A browser that has logged in, on a page of the server's own."""
    with server.client(origin=server.url, **headers) as page:
        logged_in = page.post(SESSION, headers={"authorization": f"Bearer {key}"})
        assert logged_in.status_code == 201, logged_in.text
        yield page


def cookie_of(response: httpx2.Response) -> Morsel[str]:
    [header] = response.headers.get_list("set-cookie")
    [cookie] = SimpleCookie(header).values()
    return cookie


def test_logging_in_and_out(served: Running) -> None:
    with browser(served) as page:
        told = page.get(SESSION)
        assert told.headers["cache-control"] == "no-store"
        assert told.json().items() >= {"kind": "admin", "accountId": None, "keyId": None}.items()
        assert told.json()["scopes"] == ["admin", "claim", "create", "read"]
        assert page.get("/api/accounts").status_code == 200
        kept = page.cookies["buildd_session"]
        gone = page.delete(SESSION)
        assert gone.status_code == 204
        assert cookie_of(gone)["max-age"] == "0"
        assert "buildd_session" not in page.cookies
        page.cookies.set("buildd_session", kept)
        answer = problem(page.get(SESSION), 401, "not_authenticated")
    assert "log in again" in answer["detail"]


def test_an_account_is_itself(served: Running, cast: Cast) -> None:
    with browser(served, cast.key) as page:
        told = page.get(SESSION).json()
        assert (told["kind"], told["accountId"]) == ("account", cast.account)
        problem(page.get("/api/accounts"), 403, "forbidden")
        assert page.get("/api/accounts/me").json()["id"] == cast.account


def test_the_cookie_of_this_machine(served: Running) -> None:
    with served.client(ADMIN_KEY) as client:
        answer = client.post(SESSION)
    cookie = cookie_of(answer)
    assert cookie.key == "buildd_session"
    assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "lax", "")
    assert cookie["httponly"]
    assert not cookie["secure"]
    assert cookie.value not in answer.text


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server behind something that ends TLS for it."""
    path = tmp_path_factory.mktemp("published") / "buildd.db"
    with running(f"sqlite:///{path}", public_url=f"{PUBLIC}:443/") as server:
        yield server


def test_behind_what_ends_tls(published: Running) -> None:
    with published.client(origin=PUBLIC, host="10.0.0.7") as page:
        answer = page.post(SESSION, headers={"authorization": f"Bearer {ADMIN_KEY}"})
        cookie = cookie_of(answer)
        assert cookie.key == "__Host-buildd"
        assert cookie["secure"]
        assert cookie["httponly"]
        assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "lax", "")
        held = {"cookie": f"__Host-buildd={cookie.value}"}
        assert page.post("/api/workspaces", json={"name": "a"}, headers=held).status_code == 201
        for origin in (
            published.url,
            "http://10.0.0.7",
            "http://buildd.example.com",
            f"{PUBLIC}:8",
        ):
            headers = {**held, "origin": origin}
            refused = page.post("/api/workspaces", json={"name": "b"}, headers=headers)
            assert "BUILDD_PUBLIC_URL" in problem(refused, 403, "forbidden")["detail"]
        # Any page beside this host, and any listener on the way, could have set one without the prefix.
        tossed = {"cookie": f"buildd_session={cookie.value}"}
        problem(page.get("/api/workspaces", headers=tossed), 401, "not_authenticated")


def test_nobody_logs_in_where_it_is_overheard(served: Running) -> None:
    with served.client(ADMIN_KEY, host="buildd.example.com:3000") as client:
        answer = client.post(SESSION)
    assert "https" in problem(answer, 409, "not_configured")["detail"]
    assert "set-cookie" not in answer.headers


def test_no_other_page_logs_a_browser_in(served: Running) -> None:
    with served.client(ADMIN_KEY) as client:
        for headers in ATTACKS.values():
            answer = client.post(SESSION, headers=headers)
            problem(answer, 403, "forbidden")
            assert "set-cookie" not in answer.headers


def test_a_key_in_the_header_is_all_that_counts(served: Running, cast: Cast) -> None:
    with browser(served) as page:
        for credential in (f"Bearer {cast.key}x", "Bearer", "Basic eDp5"):
            answer = page.get("/api/accounts", headers={"authorization": credential})
            problem(answer, 401, "not_authenticated")
        answer = page.get("/api/accounts", headers={"authorization": f"Bearer {cast.key}"})
        problem(answer, 403, "forbidden")
        # With a key it is no browser's doing, wherever the page is from.
        headers = {"authorization": f"Bearer {ADMIN_KEY}", "origin": "https://evil.example"}
        assert page.post("/api/workspaces", json={"name": "a"}, headers=headers).status_code == 201
        problem(page.delete(SESSION, headers=headers), 404, "not_found")


def test_a_session_makes_no_other_and_speaks_no_mcp(served: Running) -> None:
    with browser(served) as page:
        problem(page.post(SESSION), 401, "not_authenticated")
        problem(page.post("/mcp", json={}), 401, "not_authenticated")


def test_tokens_do_not_log_in(served: Running, admin: httpx2.Client, cast: Cast) -> None:
    with served.client(cast.key) as client:
        [claimed] = made(client, "/api/workers/claim", taskId=cast.task)["workers"]
    enrolment = made(admin, f"/api/accounts/{cast.account}/enrolments")["token"]
    for token in (claimed["lease"]["token"], enrolment):
        with served.client(token) as client:
            problem(client.post(SESSION), 403, "forbidden")
            problem(client.get(SESSION), 403, "forbidden")


def test_nothing_secret_is_kept_to_be_answered_again(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    server = start()
    with server.client(ADMIN_KEY, **{"idempotency-key": "again"}) as client:
        secrets = [cookie_of(client.post(SESSION)).value for _ in range(2)]
        tickets = [made(client, "/api/auth/ticket")["ticket"] for _ in range(2)]
    assert len({*secrets, *tickets}) == 4
    with closing(sqlite3.connect(tmp_path / "own.db")) as database:
        kept = "\n".join(database.iterdump())
    assert not any(each in kept for each in [*secrets, *tickets, ADMIN_KEY])


def test_in_local_mode_nobody_logs_in(start: Callable[..., Running]) -> None:
    server = start(admin_key=None)
    with server.client() as page:
        assert page.get(SESSION).json()["kind"] == "admin"
        problem(page.post(SESSION), 401, "not_authenticated")
        page.cookies.set("buildd_session", "one of long ago")
        assert page.get(SESSION).json()["kind"] == "admin"
        problem(page.get(SESSION, headers={"host": "evil.example"}), 401, "not_authenticated")


def test_another_administrators_key_ends_its_sessions(start: Callable[..., Running]) -> None:
    first = start()
    with browser(first) as page:
        kept = page.cookies["buildd_session"]
    second = start(admin_key="another administrator's key")  # on the same database
    for server, status in ((first, 200), (second, 401)):
        with server.client(cookie=f"buildd_session={kept}") as page:
            assert page.get(SESSION).status_code == status


def test_two_servers_know_the_same_sessions(start: Callable[..., Running]) -> None:
    here, there = start(), start()
    account = made_account(here)
    with browser(here, account["apiKey"]) as page, browser(here, account["apiKey"]) as other:
        cookies = [each.cookies["buildd_session"] for each in (page, other)]
        headers = [{"cookie": f"buildd_session={each}"} for each in cookies]
        with (
            there.client(**headers[0]) as same,
            there.client(**headers[1]) as same_other,
            stream(same) as (_, events),
            stream(same_other) as (_, other_events),
        ):
            assert same.get(SESSION).json()["accountId"] == account["id"]
            page.delete(SESSION)
            assert kinds(events) <= {"account:updated"}  # It ends.
            while same.get(SESSION).status_code == 200:
                pass
            with here.client(ADMIN_KEY) as admin:
                admin.delete(f"/api/accounts/{account['id']}/keys/{account['keyId']}")
            assert kinds(other_events) <= {"account:updated"}
            while same_other.get(SESSION).status_code == 200:
                pass


def kinds(events: Iterator[httpx2.ServerSentEvent]) -> set[str]:
    """Of all that comes until the stream ends, what it is."""
    return {json.loads(each.data)["type"] for each in events}


def made_account(server: Running) -> dict[str, Any]:
    with server.client(ADMIN_KEY) as admin:
        return made(admin, "/api/accounts", type="user", name="Max")


def test_a_stream_ends_when_its_session_does(start: Callable[..., Running], tmp_path: Path) -> None:
    server = start()
    with browser(server) as page:
        with closing(sqlite3.connect(tmp_path / "own.db")) as database, database:
            database.execute(
                "UPDATE session SET created_at = datetime('now', '-30 days', '+3 seconds'),"
                " expires_at = datetime('now', '+3 seconds')"  # whole ones, so one may be over
            )
        with stream(page) as (_, events):
            assert list(events) == []


ATTACKS = {
    "a form": {
        "origin": "https://evil.example",
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "content-type": "application/x-www-form-urlencoded",
    },
    "a script": {"origin": "https://evil.example", "content-type": "text/plain"},
    "a script that says what it is": {
        "origin": "https://evil.example",
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "cors",
    },
    "another port of this host": {
        "origin": "http://127.0.0.1:1",
        "sec-fetch-site": "same-site",
    },
    "a page in a sandbox": {"origin": "null"},
    "a page without an origin": {"sec-fetch-site": "cross-site"},
    "a page that lies about one of the two": {
        "origin": "https://evil.example",
        "sec-fetch-site": "same-origin",
    },
}
"""What browsers send of other sites' requests; the last only if one of the two checks did not work."""


def unsafe_routes(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str, bool]]:
    """Each method and path that may change something, and whether sessions are looked at there."""
    for route in routes:
        if isinstance(route, Mount):
            assert isinstance(route.app, Authenticated)
            assert isinstance(route.app._app, Router)
            for method, path, _ in unsafe_routes(route.app._app.routes, f"{prefix}{route.path}"):
                yield method, path, True
        elif isinstance(route, Route):
            methods = route.methods or {"POST"}
            for method in sorted(methods - SAFE_METHODS):
                yield method, f"{prefix}{route.path}", False


def contents(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(database)) as opened:
        tables = [
            name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return {
            name: opened.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608
            for name in sorted(set(tables) - VOLATILE)
        }


def test_no_other_page_changes_anything(start: Callable[..., Running], tmp_path: Path) -> None:
    """S14: every unsafe route of the app, each kind of attack, with a session that may do anything."""
    server = start()
    routes = [*unsafe_routes(server.server._app.routes)]
    assert len(routes) > 60
    with browser(server) as page:
        workspace = made(page, "/api/workspaces", name="shop")["id"]
        task = made(page, "/api/tasks", workspaceId=workspace, title="Fix it")["id"]
        before = contents(tmp_path / "own.db")
        del page.headers["origin"]
        for method, path, gated in routes:
            target = re.sub(r"{\w+}", task, path)
            for attack, headers in [*ATTACKS.items(), ("neither header", {})]:
                answer = page.request(method, target, content=BODY, headers=headers)
                case = (method, path, attack, answer.text)
                if gated:
                    assert answer.status_code == 403, case
                    assert "only this server's own pages" in answer.json()["detail"], case
                else:
                    assert answer.status_code in {400, 401, 404, 422}, case
                assert "access-control-allow-origin" not in answer.headers
            preflight = page.options(target, headers={"origin": "https://evil.example"})
            assert not any(name.startswith("access-control") for name in preflight.headers)
        assert contents(tmp_path / "own.db") == before


BODY = b'{"name": "pwned", "title": "pwned", "content": "pwned", "reason": "pwned"}'
