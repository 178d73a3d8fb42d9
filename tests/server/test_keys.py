"""Keys over HTTP: what they lack is said, what is over is refused by every server, how fast tells nothing."""

from __future__ import annotations

import math
import os
import random
import statistics
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx2
import pytest

from buildd.ids import Secret, _checksum, new_secret
from tests.patience import until
from tests.server.serving import ADMIN_KEY, Cast, Running, made, problem, running

LONG = "BUILDD_LONG" in os.environ
PROMISED_SECONDS = 5
MCP = {"accept": "application/json, text/event-stream"}


def keys_of(cast: Cast) -> str:
    return f"/api/accounts/{cast.account}/keys"


def test_a_missing_scope_is_named_whatever_is_asked(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    asked: dict[str, tuple[str, str, Any]] = {
        "a page": ("GET", "/api/tasks", None),
        "events": ("GET", "/api/events", None),
        "an attachment": ("GET", "/api/attachments/att_nothing", None),
        "a task": ("POST", "/api/tasks", {"workspaceId": cast.workspace, "title": "Mine"}),
        "a file": ("POST", "/api/messages/msg_nothing/attachments", None),
        "a claim": ("POST", "/api/workers/claim", {"taskId": "task_nothing"}),
        "one task": (
            "POST",
            "/api/workers",
            {"workspaceId": cast.workspace, "taskId": "task_nothing"},
        ),
    }
    needs = ["read"] * 3 + ["create"] * 2 + ["claim"] * 2
    for scope in ("read", "create", "claim"):
        key = made(admin, keys_of(cast), scopes=[scope])["apiKey"]
        with served.client(key) as caller:
            assert caller.get("/api/accounts/me").json()["id"] == cast.account
            for (method, path, body), needed in zip(asked.values(), needs, strict=True):
                if needed == scope:
                    continue
                refused = problem(caller.request(method, path, json=body), 403, "forbidden")
                assert refused["detail"] == (
                    f"this needs a key with the scope {needed}; this one has: {scope}"
                )


def test_an_agent_needs_no_scope_but_claim(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    key = made(admin, keys_of(cast), scopes=["claim"], name="agent")["apiKey"]
    with served.client(key) as agent:
        [claimed] = made(agent, "/api/workers/claim", taskId=cast.task)["workers"]
        token, worker = claimed["lease"]["token"], claimed["id"]
        with served.client(token) as lease:
            assert lease.post(f"/api/workers/{worker}/start").is_success
            assert lease.get(f"/api/tasks/{cast.task}").is_success
        report = {"verb": "complete", "id": worker, "token": token}
        [said] = agent.post("/api/workers/batch", json={"reports": [report]}).json()
        assert said["worker"]["status"] == "completed"


def test_a_key_that_may_not_create_creates_nothing_by_mcp(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    key = made(admin, keys_of(cast), scopes=["read"])["apiKey"]
    arguments = {"workspaceId": cast.workspace, "title": "Mine"}
    call = {"name": "create_task", "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    with served.client(key, **MCP) as caller:
        answer = caller.post("/mcp", json=message).json()["result"]
    assert answer["isError"]
    assert "this needs a key with the scope create" in answer["content"][0]["text"]


def test_a_key_from_its_making_to_its_end(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    path = keys_of(cast)
    old = made(admin, path, name="CI", scopes=["create", "read"], expiresInSeconds=3600)
    assert (old["name"], old["scopes"], old["replacedBy"]) == ("CI", ["read", "create"], None)
    new = made(admin, f"{path}/{old['id']}/rotate")
    for each in (old, new):
        with served.client(each["apiKey"]) as caller:
            assert caller.get("/api/tasks").is_success
    listed = admin.get(path, params={"limit": 2})
    assert [(key["id"], key["replacedBy"]) for key in listed.json()] == [
        (new["id"], None),
        (old["id"], new["id"]),
    ]
    assert not {old["apiKey"], new["apiKey"], "digest"} & {*listed.text.split('"')}
    assert 'rel="next"' in listed.headers["link"]
    again = problem(admin.post(f"{path}/{old['id']}/rotate"), 409, "wrong_state")
    assert new["id"] in again["detail"]
    assert admin.delete(f"{path}/{new['id']}").json()["revokedAt"]
    with served.client(new["apiKey"]) as caller:
        # It is remembered until the server has heard of its end.
        until(lambda: caller.get("/api/tasks").status_code == 401)
        refused = problem(caller.get("/api/tasks"), 401, "not_authenticated")
    assert refused["detail"] == "this key was revoked"


def test_the_terms_of_a_key_are_checked(admin: httpx2.Client, cast: Cast) -> None:
    path = keys_of(cast)
    key = made(admin, path)["id"]
    wrong: tuple[dict[str, Any], ...] = (
        {"scopes": []},
        {"scopes": ["admin"]},
        {"expiresInSeconds": 0},
        {"name": ""},
        {"scopes": ["read"], "overlapSeconds": 1},
    )
    for terms in wrong:
        problem(admin.post(path, json=terms), 422, "invalid")
    for overlap in (-1, 30 * 86_400 + 1, "1"):
        rotation = admin.post(f"{path}/{key}/rotate", json={"overlapSeconds": overlap})
        assert "overlapSeconds" in problem(rotation, 422, "invalid")["detail"]


def _revoke(admin: httpx2.Client, path: str, key: str) -> None:
    assert admin.delete(f"{path}/{key}").is_success


def _rotate(admin: httpx2.Client, path: str, key: str) -> None:
    made(admin, f"{path}/{key}/rotate", overlapSeconds=0)


def _wait(admin: httpx2.Client, path: str, key: str) -> None:
    """It was made for one second."""


@pytest.mark.parametrize(
    ("end", "life", "said"),
    [
        (_revoke, None, "was revoked"),
        (_rotate, None, "expired at"),
        (_wait, 1, "expired at"),
    ],
    ids=["revoked", "rotated", "expired"],
)
def test_a_key_that_is_over_is_refused_by_every_server_and_its_streams_end(
    start: Callable[..., Running],
    end: Callable[..., None],
    life: int | None,
    said: str,
    record_property: Callable[[str, object], None],
) -> None:
    """S1. How long it may take is looked at in the long form only."""
    here, there = start(), start()
    with here.client(ADMIN_KEY) as admin:
        account = made(admin, "/api/accounts", type="user", name="Max")["id"]
        path = f"/api/accounts/{account}/keys"
        terms: dict[str, int] = {} if life is None else {"expiresInSeconds": life}
        key = made(admin, path, **terms)
        with there.client(key["apiKey"]) as caller, caller.stream("GET", "/api/events") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith(":")
            since = perf_counter()
            end(admin, path, key["id"])
            assert [line for line in lines if line.startswith("event: ")] == []
            ended = perf_counter() - since
            while (answer := caller.get("/api/accounts/me")).is_success:
                pass
            refused = perf_counter() - since
    assert said in problem(answer, 401, "not_authenticated")["detail"]
    record_property("seconds", f"stream ended {ended:.2f}, refused {refused:.2f}")
    assert not LONG or refused - (life or 0) < PROMISED_SECONDS


@pytest.mark.skipif(not LONG, reason="asks 20,000 times: BUILDD_LONG=1")
def test_how_long_a_refusal_takes_tells_nothing_of_the_key(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """S2: what begins like a real key is refused as fast as what does not (Welch)."""
    with running(f"sqlite:///{tmp_path / 'buildd.db'}", rate_limit=0) as server:
        with server.client(ADMIN_KEY) as admin:
            account = made(admin, "/api/accounts", type="user", name="Max")
        kinds = [lambda: _like(account["apiKey"]), lambda: new_secret(Secret.KEY)]
        took: list[list[float]] = [[], []]
        with server.client() as stranger:
            for number in range(20_200):
                kind = random.randrange(2)
                headers = {"authorization": f"Bearer {kinds[kind]()}"}
                since = perf_counter()
                answer = stranger.get("/api/accounts/me", headers=headers)
                if number >= 200:
                    took[kind].append(perf_counter() - since)
                assert answer.status_code == 401
        p99 = _time_to_know(server, account["apiKey"])
    p = _welch(*took)
    means = [f"{statistics.mean(each) * 1000:.4f} ms" for each in took]
    record_property("figures", f"like a real key {means[0]}, random {means[1]}, p = {p:.3f}; {p99}")
    assert p > 0.01


def _like(key: str) -> str:
    """An unknown key that begins as a real one does, and whose checksum is right."""
    body = key.removeprefix(Secret.KEY)[:20] + new_secret(Secret.KEY)[-16:-6]
    return f"{Secret.KEY.value}{body}{_checksum(Secret.KEY, body)}"


def _welch(one: list[float], two: list[float]) -> float:
    """The p of Welch's test, by the normal distribution: there are thousands of each."""
    spread = statistics.variance(one) / len(one) + statistics.variance(two) / len(two)
    t = (statistics.mean(one) - statistics.mean(two)) / math.sqrt(spread)
    return math.erfc(abs(t) / math.sqrt(2))


def _time_to_know(server: Running, key: str) -> str:
    """The 99th percentile of finding out whose key it is, from the database and from memory."""
    shown = []
    for remembered in (False, True):
        took = []
        for _ in range(5000):
            if not remembered:
                server.broker._doors._known.clear()
            since = perf_counter()
            server.broker.authenticate(key).result()
            took.append(perf_counter() - since)
        p99 = statistics.quantiles(took, n=100)[-1] * 1000
        shown.append(f"p99 {p99:.3f} ms {'remembered' if remembered else 'looked up'}")
        assert p99 < 2
    return ", ".join(shown)
