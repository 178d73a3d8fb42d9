"""Nobody's change is overwritten unseen: `If-Match`, over HTTP and embedded, for all that can be changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

import buildd
from buildd import operations as ops
from buildd.broker import ADMIN, Broker
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.models import Model
from buildd.operations import OPERATIONS, Patch, etag_of
from tests.server.serving import Cast, Running, made, problem

PATCHES = [each for each in OPERATIONS if each.http.method == "PATCH"]


def test_every_patch_can_be_conditional() -> None:
    assert all(issubclass(each, Patch) for each in PATCHES)
    assert len(PATCHES) >= 7


@pytest.fixture
def things(admin: httpx2.Client, cast: Cast) -> dict[str, tuple[str, dict[str, Any]]]:
    """One of each kind that can be changed, and a change of it."""
    artifacts = _artifacts(admin, cast)
    comment = made(admin, f"{artifacts}/comments", content="Why?")
    source = made(admin, f"/api/workspaces/{cast.workspace}/sources", type="manual", name="By hand")
    schedule = made(
        admin,
        "/api/schedules",
        workspaceId=cast.workspace,
        name="Nightly",
        cron="@daily",
        task={"title": "Sweep", "maxCost": 1.5},
    )
    pool = made(
        admin, "/api/pools", name=f"P{cast.account}", accountId=cast.account, runner="local"
    )
    hook = made(admin, "/api/hooks", url="https://example.com/", types=["failed"])
    return {
        "UpdateTask": (f"/api/tasks/{cast.task}", {"title": "Mend it"}),
        "UpdateWorkspace": (f"/api/workspaces/{cast.workspace}", {"maxCostPerDay": 0.3}),
        "UpdateAccount": (f"/api/accounts/{cast.account}", {"maxCostPerDay": 12.34}),
        "UpdateComment": (f"/api/comments/{comment['id']}", {"resolved": True}),
        "UpdateSource": (f"/api/sources/{source['id']}", {"name": "By head"}),
        "UpdateSchedule": (f"/api/schedules/{schedule['id']}", {"timezone": "Europe/Berlin"}),
        "UpdatePool": (f"/api/pools/{pool['id']}", {"maximum": 3}),
        "UpdateHook": (f"/api/hooks/{hook['id']}", {"active": False}),
    }


def _artifacts(admin: httpx2.Client, cast: Cast) -> str:
    task = made(admin, "/api/tasks", workspaceId=cast.workspace, title="Show it")
    claimed = made(
        admin,
        "/api/workers",
        workspaceId=cast.workspace,
        taskId=task["id"],
        accountId=cast.account,
    )
    lease = {"authorization": f"Bearer {claimed['lease']['token']}"}
    path = f"/api/workers/{claimed['id']}/artifacts"
    shown = admin.post(path, json={"type": "summary", "content": "Done"}, headers=lease)
    assert shown.status_code == 201, shown.text
    return f"/api/artifacts/{shown.json()['id']}"


def test_a_change_that_was_made_unseen_is_not_overwritten(
    admin: httpx2.Client, things: dict[str, tuple[str, dict[str, Any]]]
) -> None:
    assert things.keys() == {each.__name__ for each in PATCHES}
    for path, change in things.values():
        tag = admin.patch(path, json={}).headers["etag"]
        changed = admin.patch(path, json=change, headers={"if-match": tag})
        assert changed.status_code == 200, changed.text
        assert changed.headers["etag"] != tag
        late = admin.patch(path, json=change, headers={"if-match": tag})
        problem(late, 412, "precondition_failed")
        assert late.headers.get("etag") is None
        for matching in (changed.headers["etag"], f'"other", {changed.headers["etag"]}', "*"):
            again = admin.patch(path, json=change, headers={"if-match": matching})
            assert again.status_code == 200, again.text
            assert again.headers["etag"] == changed.headers["etag"]
        assert admin.patch(path, json={}).status_code == 200


def test_the_tag_is_the_same_however_a_thing_is_read(
    served: Running, admin: httpx2.Client, cast: Cast
) -> None:
    new: dict[str, Any] = {
        "workspaceId": cast.workspace,
        "title": "T",
        "context": {"b": [1.10, None], "a": "é"},
    }
    new["notBefore"] = "2031-01-01T01:00:00.123456+02:00"
    new["maxCost"] = 0.1
    created = admin.post("/api/tasks", json=new)
    path = created.headers["location"]
    with buildd.connect(served.url, api_key=made(admin, "/api/admin-keys")["apiKey"]) as bd:
        far = bd.tasks.get(id=created.json()["id"])
    near = served.broker.execute(ops.GetTask(id=far.id), ADMIN)
    read = admin.get(path)
    assert etag_of(far) == etag_of(near) == read.headers["etag"] == created.headers["etag"]
    assert "etag" not in read.json()
    assert "etag" not in admin.get("/api/tasks").headers


def test_counters_do_not_disturb_it(admin: httpx2.Client, served: Running, cast: Cast) -> None:
    path = f"/api/tasks/{cast.task}"
    tag = admin.get(path).headers["etag"]
    with served.client(cast.key) as agent:
        made(agent, "/api/workers/claim")
    assert admin.get(path).headers["etag"] == tag


def test_it_comes_after_what_may_be_seen_and_before_the_state(
    admin: httpx2.Client, served: Running, cast: Cast
) -> None:
    stale = {"if-match": '"stale"'}
    problem(admin.patch("/api/tasks/task_none", json={}, headers=stale), 404, "not_found")
    with served.client(cast.key) as agent:
        made(agent, "/api/workers/claim")
    path = f"/api/tasks/{cast.task}"
    problem(admin.patch(path, json={}, headers=stale), 412, "precondition_failed")
    problem(admin.patch(path, json={}), 409, "wrong_state")


def test_it_is_no_field_of_the_body(admin: httpx2.Client, cast: Cast) -> None:
    answer = admin.patch(f"/api/tasks/{cast.task}", json={"ifMatch": "*"})
    assert problem(answer, 422, "invalid")["errors"][0]["field"] == "ifMatch"


@pytest.fixture
def clients(served: Running, admin: httpx2.Client, broker: Broker) -> Iterator[list[Any]]:
    """The façade over HTTP; and embedded on both databases, as the `broker` fixture has it."""
    with buildd.connect(served.url, api_key=made(admin, "/api/admin-keys")["apiKey"]) as far:
        yield [far, Client(EmbeddedTransport(Embedding(broker)))]


def test_the_facade_takes_it(clients: list[Any]) -> None:
    for bd in clients:
        workspace = bd.workspaces.create(name="shop", memory={"x": 1.5})
        tag = buildd.etag_of(workspace)
        changed = bd.workspaces.update(id=workspace.id, name="Shop", if_match=tag)
        assert changed.name == "Shop"
        with pytest.raises(buildd.PreconditionFailed, match="read it again"):
            bd.workspaces.update(id=workspace.id, name="mall", if_match=tag)
        assert bd.workspaces.get(id=workspace.id).name == "Shop"


def test_what_cannot_be_changed_has_none() -> None:
    class Other(Model):
        id: str

    assert etag_of(Other(id="x")) is None
