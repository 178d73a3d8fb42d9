"""Idle agents that wait for work over HTTP, while somebody creates one task after the other."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pydantic_core import from_json

from tests.bench.loads.connection import Connection, post, run

WAIT_SECONDS = 60
_AT_ONCE = 100
Taken = tuple[str, float]
"""Which task somebody has, and since when."""


async def dispatch(asked: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds from before each of `jobs` is created until an agent has it.

    There is one agent for each of `keys`, and a `pause` between two tasks.
    """
    got: asyncio.Queue[Taken] = asyncio.Queue()
    gates = asyncio.Semaphore(_AT_ONCE)
    ready = [asyncio.Event() for _ in asked["keys"]]
    async with asyncio.TaskGroup() as group:
        agents = [
            group.create_task(_agent(asked["port"], key, got, gates, is_ready))
            for key, is_ready in zip(asked["keys"], ready, strict=True)
        ]
        await asyncio.gather(*(each.wait() for each in ready))
        # It comes after all who have asked, so when it is taken, the rest of them wait.
        await _waits({**asked, "jobs": 1}, got)
        await asyncio.sleep(asked["settle"])
        waits = await _waits(asked, got)
        for each in agents:
            each.cancel()
    return {"waits": waits}


async def _waits(asked: dict[str, Any], got: asyncio.Queue[Taken]) -> list[float]:
    creator, key = await Connection.to(asked["port"]), asked["keys"][0]
    task = post("/api/tasks", key, {"workspaceId": asked["workspace"], "title": "Look into it"})
    waits = []
    for _ in range(asked["jobs"]):
        await asyncio.sleep(asked["pause"])
        created = time.perf_counter()
        answer = creator.send(task)
        task_id = from_json(await answer)["id"]
        # What the agents of an earlier turn had not done when they went comes back, and is none of ours.
        while (taken := await got.get())[0] != task_id:
            pass
        waits.append(1000 * (taken[1] - created))
    return waits


async def _agent(
    port: int, key: str, got: asyncio.Queue[Taken], gates: asyncio.Semaphore, ready: asyncio.Event
) -> None:
    """Wait, take, do, and wait again."""
    async with gates:
        connection = await Connection.to(port)
    claim = post("/api/workers/claim", key, {"waitSeconds": WAIT_SECONDS})
    ready.set()
    while True:
        answer = await connection.send(claim)
        at = time.perf_counter()
        for worker in from_json(answer)["workers"]:
            got.put_nowait((worker["taskId"], at))
            token, home = worker["lease"]["token"], f"/api/workers/{worker['id']}"
            await connection.post(f"{home}/start", token, {})
            await connection.post(f"{home}/complete", token, {})


if __name__ == "__main__":
    run(dispatch)
