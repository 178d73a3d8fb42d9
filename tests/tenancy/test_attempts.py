"""An agent touches its own attempt only, and only while that lasts (S3): every place of every route.

Two agents of one account have the same key, so nothing but the lease's token keeps them apart.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from buildd.ids import Kind
from buildd.operations import Access
from buildd.testing.conformance.access import Things, things_of
from buildd.testing.conformance.stage import Stage
from tests.server.serving import Running, problem, running
from tests.tenancy.routes import EVERY, Place, places
from tests.tenancy.tenants import absent, lease_token, owner

ATTEMPTS = {Kind.ARTIFACT, Kind.ATTACHMENT, Kind.COMMENT, Kind.MESSAGE, Kind.TASK, Kind.WORKER}
"""What belongs to one attempt; its workspace it shares with others of its account."""
BY_LEASE = {Access.LEASE, Access.MEMBER_OR_LEASE, Access.READER}
ACCESS: dict[tuple[str, str], Access] = {
    (each.http.method, each.http.path): each.access for each in EVERY
}
BOOKS = re.compile(r'INSERT INTO "(api_key|audit_entry|setting|sqlite_stat1)"')
REPORTS: dict[str, dict[str, Any]] = {
    "start": {},
    "heartbeat": {"progress": 99, "costUsd": 1},
    "complete": {"result": {"mine": True}},
    "fail": {"error": "it is too hard"},
}


@dataclass
class Attempt:
    """One attempt with something of everything, and every request about it."""

    stage: Stage
    things: Things
    ids: dict[Kind, str]
    places: list[Place]

    @property
    def token(self) -> str:
        return str(self.things.lease.transport.key)  # type: ignore[attr-defined]


@dataclass
class Shop:
    """A server on which accounts work."""

    server: Running
    file: Path

    def attempt(self) -> Attempt:
        """An attempt by an account of its own."""
        stage = Stage(owner(self.server))
        things = things_of(stage)
        lease = things.lease
        message = lease.messages.create(worker_id=things.worker, content="Look.").id
        attachment = lease.messages.attach(b"seen", message_id=message, filename="a.txt").id
        ids = {
            Kind.ARTIFACT: things.artifact,
            Kind.ATTACHMENT: attachment,
            Kind.COMMENT: things.comment,
            Kind.MESSAGE: message,
            Kind.TASK: things.task,
            Kind.WORKER: things.worker,
        }
        return Attempt(stage, things, ids, [*places(things, message, attachment)])

    def rows(self) -> list[str]:
        """All that is written down, but when a key was used, and that somebody was too late."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as db:
            return [line for line in db.iterdump() if not BOOKS.match(line)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    file = tmp_path_factory.mktemp("shop") / "buildd.db"
    with running(f"sqlite:///{file}") as server:
        yield Shop(server, file)


def test_of_two_agents_of_one_account_each_is_nothing_to_the_other(shop: Shop) -> None:
    theirs = shop.attempt()
    mine = lease_token(theirs.stage)
    before = shop.rows()
    tried = [
        place
        for place in theirs.places
        if place.kind in ATTEMPTS and place.http.path != "/api/workers/batch"
    ]
    with shop.server.client(mine) as client:
        for place in tried:
            told, nothing = (
                _told(place.send(client, ids[place.kind])) for ids in (theirs.ids, absent())
            )
            assert (told, str(place)) == (nothing, str(place))
            if told[0] != 200:
                expected = 404 if _access(place) in BY_LEASE else 403
                assert (told[0], str(place)) == (expected, str(place))
            else:
                assert (told[1], str(place)) == ([], str(place))
    assert len(tried) >= 30
    assert shop.rows() == before


def test_anothers_token_reports_nothing_in_a_batch(shop: Shop) -> None:
    theirs = shop.attempt()
    token = lease_token(theirs.stage)
    before = shop.rows()
    for said, code in ((token, "not_found"), (theirs.stage.account.api_key, "not_authenticated")):
        reports = [
            {"verb": verb, "id": theirs.things.worker, "token": said, **fields}
            for verb, fields in REPORTS.items()
        ]
        with shop.server.client(theirs.stage.account.api_key) as client:
            answer = client.post("/api/workers/batch", json={"reports": reports})
        assert [each["error"]["code"] for each in answer.json()] == [code] * len(REPORTS)
    assert shop.rows() == before


@pytest.mark.parametrize("verb", ["complete", "fail"])
def test_a_token_dies_with_its_lease(shop: Shop, verb: str) -> None:
    """What it tries afterwards is answered 409; its last word, said again, as it was the first time."""
    over = shop.attempt()
    with shop.server.client(over.token) as client:
        ended = client.post(f"/api/workers/{over.things.worker}/{verb}", json=REPORTS[verb])
        assert ended.is_success
        before, tried = shop.rows(), 0
        for place in over.places:
            if _access(place) in BY_LEASE:
                answer = place.send(client, over.ids.get(place.kind, absent()[place.kind]))
                assert problem(answer, 409, "lease_lost")["reason"]
                tried += 1
        again = client.post(f"/api/workers/{over.things.worker}/{verb}", json=REPORTS[verb])
        assert again.json() == ended.json()
    assert tried >= 25
    assert shop.rows() == before


def _access(place: Place) -> Access:
    return ACCESS[place.http.method, place.http.path]


def _told(response: httpx2.Response) -> tuple[int, Any]:
    try:
        document = response.json()
    except json.JSONDecodeError:
        return response.status_code, response.content
    if isinstance(document, dict):
        document.pop("requestId", None)
    return response.status_code, document
