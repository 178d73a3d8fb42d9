"""Long answers are sent compressed to who can read that, and are the same for who cannot."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from buildd.operations.tasks import BatchedTask
from tests.server.serving import ADMIN_KEY, Running, running
from tests.tenancy.tenants import owner


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(f"sqlite:///{tmp_path_factory.mktemp('packing') / 'buildd.db'}") as made:
        bd = owner(made)
        shop = bd.workspaces.create(name="shop")
        bd.tasks.create_many(tasks=[BatchedTask(workspace_id=shop.id, title="x")] * 60)
        yield made


@pytest.fixture
def http(server: Running) -> Iterator[httpx2.Client]:
    with server.client(ADMIN_KEY) as made:
        yield made


@pytest.mark.parametrize(
    ("accepts", "packs"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("identity", False),
        ("", False),
    ],
)
def test_a_long_list_is_as_its_reader_takes_it(
    http: httpx2.Client, accepts: str, packs: bool
) -> None:
    plain = http.get("/api/tasks", headers={"accept-encoding": "identity"})
    asked = http.get("/api/tasks", headers={"accept-encoding": accepts})
    assert asked.headers.get("content-encoding") == ("gzip" if packs else None)
    assert asked.headers["vary"] == "accept-encoding"
    assert asked.json() == plain.json()
    length, whole = int(asked.headers["content-length"]), int(plain.headers["content-length"])
    assert length < whole / 5 if packs else length == whole


def test_what_is_short_is_sent_as_it_is(http: httpx2.Client) -> None:
    answer = http.get("/api/tasks?limit=1", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert len(answer.json()) == 1
