"""One agent beside a broker in the same program, which tells how long each of its claims took."""

from __future__ import annotations

import json
import sys
import time
from statistics import quantiles
from typing import Any

from buildd.client import connect


def claims(asked: dict[str, Any]) -> dict[str, float]:
    """Make `count` claims in `database` with `key`; each task is done, and another one created."""
    took = []
    with connect(asked["database"]) as owner:
        agent = owner.with_key(asked["key"])
        for _ in range(asked["count"]):
            owner.tasks.create(workspace_id=asked["workspace"], title="Look into it")
            began = time.perf_counter()
            [claimed] = agent.workers.claim().workers
            took.append(1000 * (time.perf_counter() - began))
            lease = owner.with_key(claimed.lease.token)
            lease.workers.start(id=claimed.id)
            lease.workers.complete(id=claimed.id)
    cuts = quantiles(took, n=100, method="inclusive")
    return {"claim p50 ms": cuts[49], "claim p99 ms": cuts[98]}


if __name__ == "__main__":
    json.dump(claims(json.load(sys.stdin)), sys.stdout)
