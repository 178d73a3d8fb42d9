"""Local mode: the owner needs no key on this machine, a web page or a proxy does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
import pytest

from buildd.broker import ADMIN
from buildd.operations import CreateAdminKey
from tests.server.serving import Running, made, problem, running


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("local") / "buildd.db"
    with running(f"sqlite:///{path}", admin_key=None) as server:
        yield server


@pytest.fixture(scope="module")
def owner(local: Running) -> Iterator[httpx2.Client]:
    with local.client() as client:
        yield client


def test_the_owner_needs_no_key(owner: httpx2.Client) -> None:
    made(owner, "/api/accounts", type="user", name="Max")
    assert owner.get("/api/accounts").status_code == 200


def test_a_wrong_key_is_not_no_key(owner: httpx2.Client) -> None:
    for credential in ("Bearer nonsense", "Bearer", "", "Basic eDp5"):
        response = owner.get("/api/accounts", headers={"authorization": credential})
        problem(response, 401, "not_authenticated")


def test_an_account_is_still_itself(local: Running, owner: httpx2.Client) -> None:
    account = made(owner, "/api/accounts", type="user", name="Max")
    with local.client(account["apiKey"]) as client:
        problem(client.get("/api/accounts"), 403, "forbidden")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:3000",
        "127.0.0.1",
        "127.0.0.1:3000",
        "127.8.9.10",
        "[::1]",
        "[::1]:80",
    ],
)
def test_hosts_that_name_this_machine(owner: httpx2.Client, host: str) -> None:
    assert owner.get("/api/tasks", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.5",
        "10.0.0.1",
        "[::]",
        "::1",
        "localhost:port",
        "localhost:3000:3000",
        "",
    ],
)
def test_hosts_that_do_not(owner: httpx2.Client, host: str) -> None:
    problem(owner.get("/api/tasks", headers={"host": host}), 401, "not_authenticated")


@pytest.mark.parametrize(
    "name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via"]
)
def test_what_a_proxy_passes_on_needs_a_key(owner: httpx2.Client, name: str) -> None:
    problem(owner.get("/api/tasks", headers={name: "127.0.0.1"}), 401, "not_authenticated")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"origin": "https://localhost:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_of_another_origin_changes_nothing(
    owner: httpx2.Client, headers: dict[str, str]
) -> None:
    before = len(owner.get("/api/workspaces").json())
    given = {"host": "localhost:3000", **headers}
    response = owner.post("/api/workspaces", json={"name": "pwned"}, headers=given)
    problem(response, 401, "not_authenticated")
    assert len(owner.get("/api/workspaces").json()) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_our_own_page_and_programs_may(owner: httpx2.Client, headers: dict[str, str]) -> None:
    given = {"host": "localhost:3000", **headers}
    response = owner.post("/api/workspaces", json={"name": "shop"}, headers=given)
    assert response.status_code == 201


def test_minting_a_key_ends_local_mode(start: Callable[..., Running]) -> None:
    server = start(admin_key=None)
    key = server.broker.execute(CreateAdminKey(), ADMIN).api_key
    with server.client() as nobody, server.client(key) as admin:
        problem(nobody.get("/api/tasks"), 401, "not_authenticated")
        assert admin.get("/api/accounts").status_code == 200


def test_with_an_admin_key_there_is_no_local_mode(served: Running) -> None:
    with served.client() as nobody:
        problem(nobody.get("/api/tasks"), 401, "not_authenticated")
