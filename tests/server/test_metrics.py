"""`/metrics`: what happened can be read off it, and neither who it was nor how much of it there could be."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from buildd.broker import Broker
from buildd.client import Client
from buildd.figures import Distribution
from buildd.store import Statement, Transaction
from buildd.store.sql import figures as sql
from tests.server.serving import Running, made, running

NOW = datetime.fromisoformat("2026-01-31T08:00:00Z")
MOST_SERIES = 6000


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildd_server.metrics.FRESH_SECONDS", 0)


def scraped(server: Running) -> dict[str, float]:
    """Every sample, by its name with its labels."""
    with server.client() as client:
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        "".join([each.name, *(f"|{name}={each.labels[name]}" for name in sorted(each.labels))]): (
            each.value
        )
        for family in text_string_to_metric_families(answer.text)
        for each in family.samples
    }


def test_a_story_can_be_read_off(database_url: str) -> None:
    with running(database_url) as server, server.client("the administrator's key") as admin:
        workspace = made(admin, "/api/workspaces", name="very-secret-shop")
        account = made(admin, "/api/accounts", type="user", name="Maximilian")
        made(admin, f"/api/accounts/{account['id']}/workspaces", workspaceId=workspace["id"])
        for title, preference in (("a", "any"), ("b", "user"), ("c", "service"), ("d", "user")):
            task = {"title": title, "workspaceId": workspace["id"], "runnerPreference": preference}
            made(admin, "/api/tasks", **task)
        later = {"title": "e", "workspaceId": workspace["id"], "notBefore": "2099-01-01T00:00:00Z"}
        made(admin, "/api/tasks", **later)
        with server.client(account["apiKey"]) as client:
            claim = made(client, "/api/workers/claim", maxTasks=2, agentId="agent-1")
        first, second = claim["workers"]
        with server.client(first["lease"]["token"]) as agent:
            made(agent, f"/api/workers/{first['id']}/start")
            made(agent, f"/api/workers/{first['id']}/heartbeat", costUsd=1.25, status="running")
            made(agent, f"/api/workers/{first['id']}/complete")
        with server.client(second["lease"]["token"]) as agent:
            error = {"error": "it broke", "errorCode": "made_up_by_an_agent", "retryable": False}
            made(agent, f"/api/workers/{second['id']}/fail", **error)
        with server.client("buildd_wrong") as stranger:
            assert stranger.get("/api/tasks").status_code == 401
        ended = "buildd_tasks_ended_total|outcome=failed"
        told = until(server, lambda seen: ended in seen and seen["buildd_feed_lag_events"] == 0)
        with server.client() as anyone:
            text = anyone.get("/metrics").text
    assert told["buildd_tasks_claimable|runner_preference=any"] == 0
    assert told["buildd_tasks_claimable|runner_preference=user"] == 1
    assert told["buildd_tasks_claimable|runner_preference=service"] == 1
    assert told["buildd_oldest_task_seconds|runner_preference=service"] > 0
    assert told["buildd_workers|status=idle"] == 0
    assert told["buildd_agents"] == 1
    assert told["buildd_hooks|state=failing"] == told["buildd_deliveries|status=failed"] == 0
    assert told["buildd_tasks_ended_total|outcome=completed"] == 1
    assert told["buildd_tasks_ended_total|outcome=failed"] == 1
    assert told["buildd_attempts_failed_total|code=other"] == 1
    assert told["buildd_task_wait_seconds_count"] == 2
    assert told["buildd_claim_seconds_count"] == 1
    assert told["buildd_spent_dollars_total"] == told["buildd_spent_today_dollars"] == 1.25
    assert told["buildd_reserved_today_dollars"] == 0
    assert told["buildd_feed_lag_seconds"] == 0
    assert told["buildd_writer_batch_count"] >= 10
    assert told["buildd_http_refused_total|reason=not_authenticated"] == 1
    assert told["buildd_http_refused_total|reason=rate_limited"] == 0
    created = "buildd_http_request_seconds_count|method=POST|route=/api/tasks|status=2xx"
    assert told[created] == 5
    assert told["buildd_database_up"] == 1
    assert told["process_resident_memory_bytes"] > 0
    for name in ("very-secret-shop", "Maximilian", "agent-1", workspace["id"], account["id"]):
        assert name not in text
    assert "made_up" not in text


def until(server: Running, told: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """The figures once the feed has heard of what the answers told already."""
    while not told(seen := scraped(server)):
        pass
    return seen


def test_what_strangers_ask_for_makes_no_series(served: Running, admin: httpx2.Client) -> None:
    with served.client() as client:
        client.put("/nowhere")
    before = scraped(served)
    with served.client() as client:
        for number in range(200):
            client.get(f"/{number}")
            client.request(f"BREW{number}", f"/api/{number}")
            client.get(f"/api/tasks/{number}")
    after = scraped(served)
    new = {name for name in after if name not in before and name.endswith("_count")}
    assert {
        name.partition("|")[2] for name in after.keys() - before.keys() if "_count" in name
    } <= {
        "method=GET|route=none|status=4xx",
        "method=other|route=none|status=4xx",
        "method=GET|route=/api/tasks/{id}|status=4xx",
        "method=GET|route=/metrics|status=2xx",
    }, new
    assert len(after) < MOST_SERIES


def test_the_manual_tells_of_every_metric(served: Running) -> None:
    with served.client() as client:
        text = client.get("/metrics").text
    page = Path(__file__).parents[2] / "docs/how-to/watch-a-server.md"
    documented = set(re.findall(r"^\| `(buildd_\w+)` ", page.read_text(), re.MULTILINE))
    shown = {each.name for each in text_string_to_metric_families(text)}
    assert documented == {
        name if f"{name}_total" not in documented else f"{name}_total"
        for name in shown
        if name.startswith("buildd_")
    }


def test_without_its_database_it_tells_of_itself(sqlite_url: str) -> None:
    with running(sqlite_url) as server:
        assert scraped(server)["buildd_database_up"] == 1
        server.broker._store.close()
        told = scraped(server)
    assert told["buildd_database_up"] == 0
    assert "buildd_agents" not in told
    assert told["buildd_writer_queue"] >= 0


def test_what_waits_for_a_parent_or_its_time_is_not_claimable(bd: Client, broker: Broker) -> None:
    where = bd.workspaces.create(name="shop").id
    parent = bd.tasks.create(workspace_id=where, title="parent")
    bd.tasks.create(workspace_id=where, title="child", depends_on=[parent.id])
    bd.tasks.create(workspace_id=where, title="later", not_before="2099-01-01T00:00:00Z")
    assert broker.standing().result().claimable["any"].tasks == 1


@pytest.mark.parametrize(
    ("statement", "asked", "table"),
    [
        (sql.CLAIMABLE_TASKS, {"now": NOW}, "task"),
        (sql.WORKERS, {}, "worker"),
        (sql.LAUNCHES, {}, "launch"),
        (sql.DELIVERIES, {}, "delivery"),
        (sql.FAILED_DELIVERIES, {"since": NOW}, "delivery"),
        (sql.AGENTS, {"alive": NOW}, "agent"),
        (sql.TODAY, {"day": NOW.date()}, "budget_day"),
        (sql.NEXT_EVENT, {"after": 1}, "event"),
    ],
    ids=["tasks", "workers", "launches", "deliveries", "failed", "agents", "today", "events"],
)
def test_what_is_over_is_not_looked_at(
    sqlite_url: str, statement: Statement, asked: dict[str, Any], table: str
) -> None:
    def plan(tx: Transaction) -> list[str]:
        compiled = statement.compiled(tx._database.dialect)
        text = f"EXPLAIN QUERY PLAN {compiled.text}"
        return [row[3] for row in tx._cursor.execute(text, compiled.bind(asked))]

    with closing(Broker.open(sqlite_url)) as broker:
        steps = broker._store.read(plan).result()
    looks = [step for step in steps if step.split()[1] == table]
    assert looks
    assert all("USING" in each for each in looks), steps


def test_a_distribution_counts_each_value_once() -> None:
    sizes = Distribution(1, 5)
    for value in (0.5, 1, 1.5, 5, 9):
        sizes.add(value)
    assert sizes.spread() == ([(1, 2), (5, 4)], 5, 17)


def test_a_distribution_of_nothing() -> None:
    assert Distribution(1).spread() == ([(1, 0)], 0, 0)
