"""A program that has the broker in itself: threads that create, claim and report tasks in batches."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from buildd.client import Client, connect
from buildd.models import Claimed
from buildd.operations import ClaimTasks, CreateTasks, ReportWorkers


def lifecycles(asked: dict[str, Any]) -> dict[str, float]:
    """Do them for some seconds: `database`, `keys` (one for each thread), `workspace`, `batch`."""
    with connect(asked["database"]) as owner, ThreadPoolExecutor(len(asked["keys"])) as threads:
        began, used = time.perf_counter(), time.process_time()
        until = began + asked["seconds"]
        agents = [owner.with_key(key) for key in asked["keys"]]
        done = sum(threads.map(lambda agent: _work(agent, asked, until), agents))
        seconds = time.perf_counter() - began
        return {"done": done, "seconds": seconds, "CPU s": time.process_time() - used}


def _work(agent: Client, asked: dict[str, Any], until: float) -> int:
    task = {"workspaceId": asked["workspace"], "title": "Fix the flaky test of the checkout"}
    create = CreateTasks.model_validate({"tasks": [task] * asked["batch"]})
    claim = ClaimTasks(max_tasks=asked["batch"])
    done = 0
    while time.perf_counter() < until:
        agent.send(create)
        workers = agent.send(claim).workers
        if workers:
            reports = [report for worker in workers for report in _reports(worker)]
            answers = agent.send(ReportWorkers.model_validate({"reports": reports}))
            assert not any(each.error for each in answers), answers
        done += len(workers)
    return done


def _reports(worker: Claimed) -> Iterator[dict[str, Any]]:
    known = {"id": worker.id, "token": worker.lease.token}
    yield {**known, "verb": "start"}
    yield {**known, "verb": "complete", "result": {"ok": True}}


if __name__ == "__main__":
    json.dump(lifecycles(json.load(sys.stdin)), sys.stdout)
