"""`/mcp` over real HTTP: the same tools, the API's own keys, and nothing for the rest of the world."""

from __future__ import annotations

import json
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest

from buildd.states import TaskStatus
from tests import patience
from tests.mcp.conftest import Town, TownMaker
from tests.mcp.speaking import http, played, until
from tests.server.serving import NO_TLS, problem

BOTH = {"accept": "application/json, text/event-stream"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """A call as it travels."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def post(town: Town, body: Any, key: str | None = None, **headers: str) -> httpx2.Response:
    """One POST as it stands."""
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    with httpx2.Client(base_url=town.url, trust_env=False, verify=NO_TLS, timeout=60) as client:
        return client.post("/mcp", json=body, headers={**BOTH, **headers})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_whole_task(town: Town, mode: str) -> None:
    task = town.task()

    async def story() -> None:
        async with http(town.url, town.ours.key, mode) as agent:
            held = await agent("claim", workspaceId=town.ours.workspace)
            about = {"id": held["id"], "lease": held["lease"]}
            assert (await agent("report", **about, progress=50))["waiting"] is False
        # The next call may reach another server, or the same one after a restart.
        async with http(town.url, town.ours.key, mode) as agent:
            await agent("complete", **about, result={"done": True})

    played(story)
    assert (town.read(task).status, town.read(task).result) == (
        TaskStatus.COMPLETED,
        {"done": True},
    )


def test_tenants_do_not_see_each_other(town: Town) -> None:
    task = town.task("ours alone")

    async def story() -> None:
        async with (
            http(town.url, town.ours.key) as ours,
            http(town.url, town.theirs.key) as theirs,
        ):
            assert [each["id"] for each in await ours("list_tasks")] == [task.id]
            assert await theirs("list_tasks") == []
            assert [each["name"] for each in await theirs("list_workspaces")] == ["theirs"]
            held = await ours("claim")
            for tool, arguments in {
                "show_task": {"id": task.id},
                "why": {"id": task.id},
                "create_task": {"workspaceId": town.ours.workspace, "title": "x"},
                "answer": {"id": held["id"], "content": "x"},
            }.items():
                said = await theirs.refused(tool, **arguments)
                assert said.startswith("not_found: "), (tool, said)
                assert said == await theirs.refused(tool, **_unknown(arguments))
            assert (await theirs.refused("claim", taskId=task.id)).startswith("not_found: ")
            theirs_held = await _claimed(town, theirs)
            about = {"id": held["id"], "lease": theirs_held["lease"]}
            for tool, arguments in {
                "report": {"note": "x"},
                "complete": {},
                "fail": {"error": "x"},
                "ask": {"type": "question", "prompt": "x"},
            }.items():
                said = await theirs.refused(tool, **about, **arguments)
                assert said.startswith("not_found: "), (tool, said)

    played(story)
    assert town.read(task).status is TaskStatus.RUNNING


def _unknown(arguments: dict[str, str]) -> dict[str, str]:
    return {
        name: value[:-6] + "zzzzzz"
        if value[:4] in {"task", "wkr_"} or value[:3] == "ws_"
        else value
        for name, value in arguments.items()
    }


async def _claimed(town: Town, theirs: Any) -> Any:
    town.owner.tasks.create(workspace_id=town.theirs.workspace, title="theirs")
    return await theirs("claim")


def test_without_a_key_nothing_is_told(town: Town) -> None:
    for key in (None, "buildd_nonsense", town.ours.key[:-1] + "?"):
        for body in (LIST, call("list_tasks"), "{}"):
            response = post(town, body, key)
            problem(response, 401, "not_authenticated")
            assert response.headers["www-authenticate"].startswith("Bearer")
    with httpx2.Client(base_url=town.url, trust_env=False, verify=NO_TLS) as client:
        problem(client.get("/mcp"), 401, "not_authenticated")
        problem(client.post("/mcp", content=b"x" * 9_000_000), 401, "not_authenticated")


def test_a_revoked_key_opens_nothing_more(town: Town) -> None:
    assert post(town, call("list_tasks"), town.ours.key).status_code == 200
    key = town.owner.accounts.create_key(account_id=town.ours.account)
    assert post(town, LIST, key.api_key).status_code == 200
    town.owner.accounts.revoke_key(account_id=town.ours.account, id=key.id)
    # It is remembered until the server has heard of its end.
    patience.until(lambda: post(town, LIST, key.api_key).status_code == 401)
    problem(post(town, LIST, key.api_key), 401, "not_authenticated")


def test_what_a_kind_of_caller_may_not_do_is_said(town: Town) -> None:
    town.task()

    async def story() -> None:
        async with http(town.url, "the administrator's key") as admin:
            assert (await admin.refused("claim")).startswith("forbidden: this needs an account")
        async with http(town.url, town.ours.key) as agent:
            lease = (await agent("claim"))["lease"]
        async with http(town.url, lease) as attempt:
            assert (await attempt.refused("list_tasks")).startswith("forbidden: ")
            assert (await attempt.refused("claim")).startswith("forbidden: ")

    played(story)


def test_what_is_no_message_is_refused(town: Town) -> None:
    with httpx2.Client(base_url=town.url, trust_env=False, verify=NO_TLS, headers=BOTH) as client:
        client.headers["authorization"] = f"Bearer {town.ours.key}"
        for method in ("GET", "DELETE", "PUT"):
            response = client.request(method, "/mcp")
            problem(response, 405, "method_not_allowed")
            assert response.headers["allow"] == "POST"
        sent = {"content-type": "application/json"}
        for body in (b"x" * 5_000_000, b"[" * 50_000):
            problem(client.post("/mcp", content=body, headers=sent), 413, "too_large")
        for body in (b"", b"{", b"\xff", b"[]", b"7", b"[" * 5_000):
            response = client.post("/mcp", content=body, headers=sent)
            assert response.status_code == 400, (body[:9], response.text)
            assert "Traceback" not in response.text
        good = client.post("/mcp", json=LIST)
        assert (good.status_code, good.headers["cache-control"]) == (200, "no-store")
        assert good.headers["x-content-type-options"] == "nosniff"
        assert "mcp-session-id" not in good.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "localhost:3000", "origin": "http://evil.example"},
        {"host": "localhost:3000", "origin": "null"},
        {"host": "localhost:3000", "sec-fetch-site": "cross-site"},
        {"x-forwarded-for": "127.0.0.1"},
        {"via": "1.1 proxy"},
    ],
)
def test_in_local_mode_no_web_page_and_no_proxy_gets_in(
    found: TownMaker, headers: dict[str, str]
) -> None:
    town = found(admin_key=None)
    create = call("create_task", workspaceId=town.ours.workspace, title="pwned")
    problem(post(town, create, **headers), 401, "not_authenticated")
    assert town.owner.tasks.list() == []
    told = post(town, create)
    assert json.loads(told.json()["result"]["content"][0]["text"])["title"] == "pwned"


def test_a_client_that_hangs_up_gets_no_task(town: Town) -> None:
    async def story() -> None:
        async with httpx2.AsyncClient(
            base_url=town.url, trust_env=False, verify=NO_TLS, timeout=60
        ) as client:
            client.headers.update({**BOTH, "authorization": f"Bearer {town.ours.key}"})
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: client.post("/mcp", json=call("claim", waitSeconds=45)))
                await until(lambda: town.broker.load().claims)
                group.cancel_scope.cancel()
        await until(lambda: not town.broker.load().claims)

    played(story)
    assert town.read(town.task()).status is TaskStatus.PENDING


def test_a_claim_that_waits_is_woken_by_a_task(town: Town) -> None:
    async def story() -> None:
        async with http(town.url, town.ours.key) as agent, anyio.create_task_group() as others:

            async def put_in() -> None:
                await until(lambda: town.broker.load().claims)
                town.task("here I am")

            others.start_soon(put_in)
            held = await agent("claim", waitSeconds=45)
        assert held["task"]["title"] == "here I am"

    played(story)


def test_a_stopping_server_lets_nobody_wait(found: TownMaker) -> None:
    town = found()
    answers: list[httpx2.Response] = []

    async def story() -> None:
        async with httpx2.AsyncClient(
            base_url=town.url, trust_env=False, verify=NO_TLS, timeout=60
        ) as client:
            client.headers.update({**BOTH, "authorization": f"Bearer {town.ours.key}"})
            async with anyio.create_task_group() as group:

                async def wait() -> None:
                    answers.append(await client.post("/mcp", json=call("claim", waitSeconds=45)))

                group.start_soon(wait)
                await until(lambda: town.broker.load().claims)
                await anyio.to_thread.run_sync(town.stop)

    played(story)
    problem(answers[0], 503, "unavailable")


def test_the_lease_is_kept_for_one_who_is_silent(found: TownMaker) -> None:
    town = found(ttl=2)
    task = town.task()

    async def story() -> None:
        async with http(town.url, town.ours.key) as agent:
            held = await agent("claim")
        first = town.read(task).expires_at
        assert first is not None

        def renewed() -> bool:
            expires = town.read(task).expires_at
            assert expires is not None, "the lease was lost"
            return (expires - first).total_seconds() > 3

        await until(renewed)
        async with http(town.url, town.ours.key) as agent:
            await agent("complete", id=held["id"], lease=held["lease"])

    played(story)
    assert town.read(task).status is TaskStatus.COMPLETED


def test_the_task_of_one_who_is_silent_for_too_long_goes_back(
    found: TownMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildd_server.mcp.PATIENCE", 0)
    town = found(ttl=2)
    task = town.task()

    async def story() -> None:
        async with http(town.url, town.ours.key) as agent:
            held = await agent("claim")
            await until(lambda: town.read(task).status is TaskStatus.PENDING)
            said = await agent.refused("complete", id=held["id"], lease=held["lease"])
            assert said == "lease_lost: this attempt is over: lease_lost"

    played(story)
