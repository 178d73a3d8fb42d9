"""Agents that create a task, claim one, start it and complete it, over and over; one by one or in batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from tests.bench.loads.connection import Connection, run


async def lifecycles(asked: dict[str, Any]) -> dict[str, Any]:
    """Do them for some seconds: `ports`, `keys` (one for each agent), `workspace`, `batch`, `seconds`."""
    ports, keys = asked["ports"], asked["keys"]
    connections = [await Connection.to(ports[n % len(ports)]) for n in range(len(keys))]
    began = time.perf_counter()
    until = began + asked["seconds"]
    live = _one_by_one if asked["batch"] == 1 else _in_batches
    done = await asyncio.gather(
        *(live(c, key, asked, until) for c, key in zip(connections, keys, strict=True))
    )
    return {"done": sum(done), "seconds": time.perf_counter() - began}


async def _one_by_one(connection: Connection, key: str, asked: dict[str, Any], until: float) -> int:
    task = {"workspaceId": asked["workspace"], "title": "Fix the flaky test of the checkout"}
    done = 0
    while time.perf_counter() < until:
        await connection.post("/api/tasks", key, task)
        claim = await connection.post("/api/workers/claim", key, {})
        for worker in claim["workers"]:
            token, home = worker["lease"]["token"], f"/api/workers/{worker['id']}"
            await connection.post(f"{home}/start", token, {})
            await connection.post(f"{home}/complete", token, {"result": {"ok": True}})
            done += 1
    return done


async def _in_batches(connection: Connection, key: str, asked: dict[str, Any], until: float) -> int:
    task = {"workspaceId": asked["workspace"], "title": "Fix the flaky test of the checkout"}
    tasks, wanted = {"tasks": [task] * asked["batch"]}, {"maxTasks": asked["batch"]}
    done = 0
    while time.perf_counter() < until:
        await connection.post("/api/tasks/batch", key, tasks)
        claim = await connection.post("/api/workers/claim", key, wanted)
        reports = [report for worker in claim["workers"] for report in _reports(worker)]
        if reports:
            answers = await connection.post("/api/workers/batch", key, {"reports": reports})
            assert not any(each.get("error") for each in answers), answers
        done += len(claim["workers"])
    return done


def _reports(worker: dict[str, Any]) -> Iterator[dict[str, Any]]:
    known = {"id": worker["id"], "token": worker["lease"]["token"]}
    yield {**known, "verb": "start"}
    yield {**known, "verb": "complete", "result": {"ok": True}}


if __name__ == "__main__":
    run(lifecycles)
