"""A fleet: agents that wait for work, attempts whose leases are renewed, and a task now and then."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import psutil
from pydantic_core import from_json

from tests.bench.loads.connection import Connection, post, run

WAIT_SECONDS = 60
_AT_ONCE = 100
_LANES = 50
"""Connections that carry the heartbeats of everybody."""


@dataclass
class Fleet:
    """Those who wait at a port, and what they get."""

    port: int
    path: str
    refused: int = 0
    beats: int = 0
    got: asyncio.Queue[float] = field(default_factory=asyncio.Queue)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released by each who is there, or was refused."""
    _gates: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def agent(self, key: str, wait: int) -> None:
        """Wait, so long at first, take, do, and wait again; a full server has none of that."""
        try:
            connection = await self._connected()
            while True:
                claim = post(self.path, key, {"waitSeconds": wait})
                answer, wait = from_json(await connection.send(claim)), WAIT_SECONDS
                at = time.perf_counter()
                for worker in answer.get("workers", []):
                    self.got.put_nowait(at)
                    await self._do(connection, worker)
        except (RuntimeError, ConnectionError):
            self.refused += 1

    async def _connected(self) -> Connection:
        try:
            async with self._gates:
                return await Connection.to(self.port)
        finally:
            self.arrived.release()

    async def _do(self, connection: Connection, worker: dict[str, Any]) -> None:
        token, home = worker["lease"]["token"], f"/api/workers/{worker['id']}"
        await connection.post(f"{home}/start", token, {})
        await connection.post(f"{home}/complete", token, {})

    async def renew(self, workers: list[tuple[str, str]], seconds: float) -> None:
        """Renew these leases, one after the other, each once in so many seconds."""
        connection = await Connection.to(self.port)
        began, sent = time.perf_counter(), 0
        while workers:
            for worker, token in workers:
                due = began + sent * seconds / len(workers)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await connection.post(f"/api/workers/{worker}/heartbeat", token, {})
                sent += 1
                self.beats += 1

    async def dispatched(self, key: str, workspace: str, until: float) -> list[float]:
        """Milliseconds from before a task is created until an agent has it: of one task, and of more."""
        connection = await Connection.to(self.port)
        task = post("/api/tasks", key, {"workspaceId": workspace, "title": "Look into it"})
        waits: list[float] = []
        while not waits or time.perf_counter() < until:
            await asyncio.sleep(0.1)
            created = time.perf_counter()
            answer = connection.send(task)
            waits.append(1000 * (await self.got.get() - created))
            await answer
        return waits


async def fleet(asked: dict[str, Any]) -> dict[str, Any]:
    """Hold an agent for each of `keys` for `seconds`; each lease of `workers` is renewed all `beat` seconds.

    Without a `workspace` no tasks are created. `pid` is the server's, whose memory and work are told.
    The first waits differ, so that from then on as many end in one second as in any other.
    """
    server, arriving = psutil.Process(asked["pid"]), time.perf_counter()
    held, waits = Fleet(asked["port"], asked["path"]), list[float]()
    keys: list[str] = asked["keys"]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(held.agent(key, 1 + number % WAIT_SECONDS))
            for number, key in enumerate(keys)
        ]
        for _ in keys:
            await held.arrived.acquire()
        if asked["workspace"]:
            # It comes after all who have asked, so when it is taken, the rest of them wait.
            await held.dispatched(keys[0], asked["workspace"], 0)
        arrived = time.perf_counter() - arriving
        await asyncio.sleep(asked["settle"])
        full, used, began = server.memory_info().rss, _cpu(server), time.perf_counter()
        for lane in range(_LANES):
            mine = asked["workers"][lane::_LANES]
            tasks.append(group.create_task(held.renew(mine, asked["beat"])))
        until = began + asked["seconds"]
        if asked["workspace"]:
            waits = await held.dispatched(keys[0], asked["workspace"], until)
        await asyncio.sleep(max(0.0, until - time.perf_counter()))
        cores = (_cpu(server) - used) / (time.perf_counter() - began)
        for task in tasks:
            task.cancel()
    return {
        "agents": len(keys) - held.refused,
        "seconds to arrive": arrived,
        "MB": full / (1 << 20),
        "cores": cores,
        "waits": waits,
        "beats": held.beats,
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    run(fleet)
