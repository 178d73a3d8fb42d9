"""The webhook's own route: no key, a body counted as it comes, one refusal for whoever is not GitHub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from buildd_server.webhooks import BODY_LIMIT
from tests.github import shapes
from tests.server.conftest import admin as admin  # noqa: PLC0414 - fixtures are found by name
from tests.server.conftest import served as served  # noqa: PLC0414
from tests.server.serving import Running, made, problem
from tests.webhooks.hub import API, NAME, person, sign

REPOSITORY = shapes.repository(f"{API}/repos/{NAME}", f"https://github.com/{NAME}")


class Hook:
    """A source's webhook, as GitHub has it."""

    def __init__(self, admin: httpx2.Client, stranger: httpx2.Client) -> None:
        self.admin, self.stranger = admin, stranger
        workspace = made(admin, "/api/workspaces", name="shop")["id"]
        about = {"type": "github", "name": "issues", "config": {"repository": NAME}}
        self.source = made(admin, f"/api/workspaces/{workspace}/sources", **about)["id"]
        shown = made(admin, f"/api/sources/{self.source}/secret")
        self.path, self.secret = shown["payloadPath"], shown["secret"]
        self.deliveries = 0

    def send(self, event: str, body: bytes | Iterator[bytes], **headers: str) -> httpx2.Response:
        self.deliveries += 1
        usual = {
            "x-github-event": event,
            "x-github-delivery": f"guid-{self.deliveries}",
            "x-hub-signature-256": sign(self.secret, body) if isinstance(body, bytes) else "x",
            "content-type": "application/json",
        }
        return self.stranger.post(self.path, content=body, headers=usual | headers)

    def tell(self, event: str, **payload: Any) -> Any:
        about = {"repository": REPOSITORY, "sender": person(11), **payload}
        answer = self.send(event, json.dumps(about).encode())
        assert answer.status_code == 200, answer.text
        return answer.json()["done"]


@pytest.fixture
def hook(served: Running, admin: httpx2.Client) -> Iterator[Hook]:
    with served.client() as stranger:
        yield Hook(admin, stranger)


def test_github_needs_no_key(hook: Hook) -> None:
    assert hook.tell("ping", zen="Design for failure.") == "pong"
    assert hook.tell("star", action="created") == "nothing to do"
    issue = shapes.issue(REPOSITORY, {"updated_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})
    done = hook.tell("issues", action="opened", issue=issue)
    [task] = hook.admin.get("/api/tasks", params={"sourceId": hook.source}).json()
    assert (done, task["trust"]) == (f"made {task['id']}", "collaborator")
    entries = hook.admin.get("/api/audit", params={"limit": 5}).json()
    assert [hook.source, task["id"]] in [each["subjects"] for each in entries]


def test_whoever_is_not_github_hears_the_same(hook: Hook) -> None:
    body = b'{"zen": "It is not fully shipped until it is fast."}'
    refusals = [
        hook.send("ping", body, **{"x-hub-signature-256": "sha256=" + "0" * 64}),
        hook.send("ping", body, **{"x-hub-signature-256": ""}),
        hook.send("ping", body, **{"x-github-delivery": ""}),
        hook.send("", body),
        hook.send("ping", body + b" ", **{"x-hub-signature-256": sign(hook.secret, body)}),
    ]
    hook.path = "/api/webhooks/github/src_none"
    refusals.append(hook.send("ping", body))
    said = {json.dumps(problem(each, 401, "not_authenticated")["detail"]) for each in refusals}
    assert said == {'"the signature does not fit"'}
    assert len({tuple(sorted(set(each.headers) - {"x-request-id"})) for each in refusals}) == 1


def test_a_body_is_json_and_not_larger_than_githubs(hook: Hook) -> None:
    told = problem(hook.send("ping", b"payload=%7B%7D"), 400, "malformed")["detail"]
    assert "application/json" in told
    problem(hook.send("ping", b"[" * 100_000), 400, "malformed")

    def endless() -> Iterator[bytes]:
        for _ in range(BODY_LIMIT // 2**20 + 1):
            yield b" " * 2**20

    problem(hook.send("ping", endless()), 413, "too_large")
    parts = urlsplit(str(hook.stranger.base_url))
    with closing(HTTPConnection(parts.netloc, timeout=60)) as connection:
        declared = {"content-length": str(BODY_LIMIT + 1), "x-hub-signature-256": "x"}
        known = {"x-github-event": "ping", "x-github-delivery": "x"}
        connection.request("POST", hook.path, headers=declared | known)
        assert connection.getresponse().status == 413


def test_only_a_source_of_issues_has_a_secret(hook: Hook) -> None:
    workspace = hook.admin.get(f"/api/sources/{hook.source}").json()["workspaceId"]
    sources = f"/api/workspaces/{workspace}/sources"
    manual = made(hook.admin, sources, type="manual", name="people")["id"]
    problem(hook.admin.post(f"/api/sources/{manual}/secret", json={}), 409, "wrong_state")
    problem(hook.admin.post("/api/sources/src_none/secret", json={}), 404, "not_found")
    both = {"rotate": True, "endRotation": True}
    problem(hook.admin.post(f"/api/sources/{hook.source}/secret", json=both), 422, "invalid")
    problem(hook.stranger.get(hook.path), 401, "not_authenticated")
