"""One broker in a process of its own, and threads that work through it until nothing is left.

Run by `test_processes.py`: the order comes on standard input as one line of JSON, then a line that
says go; the answer is one line of JSON.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from buildd import operations as ops
from buildd.broker import Broker, Principal

THREADS = 8


def main() -> None:
    """Open, say so, wait for the word, race, and tell."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    broker = Broker.open(order["url"])
    racers = [broker.authenticate(key).result() for key in order["keys"]]
    _say("ready")
    sys.stdin.readline()
    gate = Barrier(THREADS)

    def run(number: int) -> list[str]:
        gate.wait()
        return _race(broker, racers[number % len(racers)], finish=order["finish"])

    with ThreadPoolExecutor(THREADS) as pool:
        taken = [task for tasks in pool.map(run, range(THREADS)) for task in tasks]
    broker.close()
    _say(json.dumps(taken))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _race(broker: Broker, racer: Principal, *, finish: bool) -> list[str]:
    taken: list[str] = []
    while claimed := broker.execute(ops.ClaimTasks(max_tasks=2), racer).workers:
        for each in claimed:
            taken.append(each.task_id)
            if finish:
                lease = broker.authenticate(each.lease.token).result()
                broker.execute(ops.StartWorker(id=each.id), lease)
                broker.execute(ops.CompleteWorker(id=each.id), lease)
    return taken


if __name__ == "__main__":
    main()
