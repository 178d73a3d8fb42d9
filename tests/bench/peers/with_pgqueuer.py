"""pgqueuer at the work that buildd is measured at, with the settings that its makers recommend.

It runs in an environment of its own: what to do comes by standard input, what was found goes out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import asyncpg
import uvloop
from pgqueuer.core.qm import QueueManager
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode


async def throughput(asked: dict[str, Any]) -> dict[str, float]:
    """Put `jobs` in, in batches of `batch`; then do them all, fetched in batches of the same size."""
    queries = await _queries(asked["database"])
    await queries.install()
    manager = QueueManager(await _queries(asked["database"]))

    async def work(_job: Job) -> None:
        pass

    manager.entrypoint("work")(work)

    batch = asked["batch"]
    began = time.perf_counter()
    for _ in range(asked["jobs"] // batch):
        await queries.enqueue(["work"] * batch, [None] * batch, [0] * batch)
    created = time.perf_counter()
    await manager.run(batch_size=batch, mode=QueueExecutionMode.drain)
    return {"created": created - began, "done": time.perf_counter() - began}


async def dispatch(asked: dict[str, Any]) -> dict[str, list[float]]:
    """Milliseconds from before each of `jobs` is put in until an idle worker begins with it."""
    queries = await _queries(asked["database"])
    await queries.install()
    manager = QueueManager(await _queries(asked["database"]))
    begun: asyncio.Queue[float] = asyncio.Queue()

    async def work(_job: Job) -> None:
        begun.put_nowait(time.perf_counter())

    manager.entrypoint("work")(work)

    worker = asyncio.create_task(manager.run())
    await asyncio.sleep(asked["settle"])
    waits = []
    for _ in range(asked["jobs"]):
        await asyncio.sleep(asked["pause"])
        created = time.perf_counter()
        await queries.enqueue("work", None)
        waits.append(1000 * (await begun.get() - created))
    manager.shutdown.set()
    await worker
    return {"waits": waits}


async def _queries(database: str) -> Queries:
    return Queries.from_asyncpg_connection(await asyncpg.connect(database))


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    works = {"throughput": throughput, "dispatch": dispatch}
    json.dump(uvloop.run(works[wanted["work"]](wanted)), sys.stdout)
