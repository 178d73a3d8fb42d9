"""procrastinate at the work that buildd is measured at, with the settings that its makers recommend.

It runs in an environment of its own: what to do comes by standard input, what was found goes out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

import procrastinate
import uvloop

CONCURRENCY = 20
"""Its makers recommend more than the one that it begins with, for tasks that are coroutines."""


async def throughput(asked: dict[str, Any]) -> dict[str, float]:
    """Put `jobs` in, in batches of `batch`; then do them all."""
    app = _app(asked["database"])

    async def work() -> None:
        pass

    task = app.task(work)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        began = time.perf_counter()
        for _ in range(asked["jobs"] // asked["batch"]):
            await task.batch_defer_async(*([{}] * asked["batch"]))
        created = time.perf_counter()
        await app.run_worker_async(
            wait=False, concurrency=CONCURRENCY, install_signal_handlers=False
        )
        return {"created": created - began, "done": time.perf_counter() - began}


async def dispatch(asked: dict[str, Any]) -> dict[str, list[float]]:
    """Milliseconds from before each of `jobs` is put in until an idle worker begins with it."""
    app = _app(asked["database"])
    begun: asyncio.Queue[float] = asyncio.Queue()

    async def work() -> None:
        begun.put_nowait(time.perf_counter())

    task = app.task(work)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        worker = asyncio.create_task(
            app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False)
        )
        await asyncio.sleep(asked["settle"])
        waits = []
        for _ in range(asked["jobs"]):
            await asyncio.sleep(asked["pause"])
            created = time.perf_counter()
            await task.defer_async()
            waits.append(1000 * (await begun.get() - created))
        worker.cancel()
        await asyncio.wait([worker])
    return {"waits": waits}


async def idle(asked: dict[str, Any]) -> dict[str, float]:
    """Wait for work as a worker, until it is told to end by a signal."""
    app = _app(asked["database"])
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.run_worker_async()
    return {}


def _app(database: str) -> procrastinate.App:
    return procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database))


if __name__ == "__main__":
    logging.disable()  # It would rather have its app in a module of its own.
    wanted = json.load(sys.stdin)
    works = {"throughput": throughput, "dispatch": dispatch, "idle": idle}
    json.dump(uvloop.run(works[wanted["work"]](wanted)), sys.stdout)
