"""What must hold of any database at rest: the auditor's counters, and what no counter counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from buildd.states import HELD, HOLDING
from buildd.store.audit import Difference, audit, differences
from tests.faults.snapshot import Reader, rows

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def wrongs(url: str) -> list[str]:
    """One line for each thing that is not as it must be; empty when the books are in order."""
    return [*_wrongs(audit(url), rows(url))]


def wrongs_seen(reader: Reader) -> list[str]:
    """The same, by one who looks more than once."""
    return [*_wrongs(differences(reader.transaction()), reader.rows())]


def _wrongs(counters: Iterable[Difference], found: Tables) -> Iterator[str]:
    yield from (f"{d.check}: {d.id} says {d.counter}, has {d.rows}" for d in counters)
    yield from (*_limits(found), *_holders(found), *_results(found), *_order(found))


def _limits(found: Tables) -> Iterator[str]:
    for row in [*found["account"], *found["workspace"]]:
        most = row["max_concurrent_workers"]
        if most is not None and row["live_workers"] > most:
            yield f"{row['id']}: {row['live_workers']} live is over the limit of {most}"


def _holders(found: Tables) -> Iterator[str]:
    tasks = {task["id"]: task for task in found["task"]}
    holders: Counter[str] = Counter()
    for worker in found["worker"]:
        if worker["status"] in HOLDING:
            task = tasks[worker["task_id"]]
            holders[task["id"]] += 1
            if worker["epoch"] != task["epoch"]:
                yield f"{worker['id']}: holds {task['id']} under the old epoch {worker['epoch']}"
    for task in tasks.values():
        if holders[task["id"]] != (task["status"] in HELD):
            yield f"{task['id']}: is {task['status']} with {holders[task['id']]} holders"


def _results(found: Tables) -> Iterator[str]:
    accepted = Counter(w["task_id"] for w in found["worker"] if w["status"] == "completed")
    for task in found["task"]:
        if accepted[task["id"]] != (task["status"] == "completed"):
            yield f"{task['id']}: is {task['status']} with {accepted[task['id']]} results"
    done = Counter(w["account_id"] for w in found["worker"] if w["status"] == "completed")
    for row in found["account"]:
        if row["total_tasks"] != done[row["id"]]:
            yield f"{row['id']}: counts {row['total_tasks']} done, has {done[row['id']]}"


def _order(found: Tables) -> Iterator[str]:
    for task in found["task"]:
        if task["open_dependencies"] and task["status"] in {*HELD, "completed"}:
            yield f"{task['id']}: is {task['status']} and waits for {task['open_dependencies']}"
