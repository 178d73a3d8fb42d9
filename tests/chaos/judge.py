"""The verdict: what the database and its events say, against what everybody was told meanwhile."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from buildd.states import CLOSED, ENDED, HOLDING, LIVE
from tests.chaos.agents import POISON
from tests.chaos.history import Note
from tests.faults.books import wrongs
from tests.faults.snapshot import rows

Row = dict[str, Any]
_REPORTS = {"worker:progress", "worker:message", "worker:artifact", "worker:waiting"}


@dataclass
class Verdict:
    """What is wrong, under the name of the promise that it breaks; all empty is what we want."""

    broken: dict[str, list[str]] = field(default_factory=dict)
    tasks: int = 0
    completed: int = 0
    attempts: int = 0
    events: int = 0
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the kill of an agent until its task was claimable again."""

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.broken.values())


def judge(
    url: str, notes: list[Note], seen: list[list[int]], deaths: list[tuple[int, float]]
) -> Verdict:
    """Compare a database at rest with the notes, the events that subscribers saw, and the deaths."""
    found = rows(url)
    events = sorted(found["event"], key=lambda event: event["seq"])
    for event in events:
        event["data"] = (
            json.loads(event["data"]) if isinstance(event["data"], str) else event["data"]
        )
    tasks = {task["id"]: task for task in found["task"]}
    workers = {worker["id"]: worker for worker in found["worker"]}
    verdict = Verdict(
        tasks=len(tasks),
        completed=sum(task["status"] == "completed" for task in tasks.values()),
        attempts=len(workers),
        events=len(events),
        recoveries=sorted(_recoveries(events, notes, deaths)),
    )
    verdict.broken = {
        "lost": [*_lost(tasks, workers, notes)],
        "created twice": [*_twice(tasks)],
        "double-completed": [*_double(workers, events, notes)],
        "stale writes accepted": [*_stale(events)],
        "two holders at once": [*_two_holders(events)],
        "over a limit": [*_over(found, events)],
        "over a budget": [*_overspent(found)],
        "missed events": [*_missed(events, seen)],
        "not ended": [
            f"{t['id']} is {t['status']}" for t in tasks.values() if t["status"] not in CLOSED
        ],
        "poison not stopped": [*_poison(tasks)],
        "audit differences": wrongs(url),
    }
    return verdict


def _lost(tasks: dict[str, Row], workers: dict[str, Row], notes: list[Note]) -> Iterator[str]:
    """What was acknowledged and is not there."""
    for note in notes:
        task = tasks.get(note.task)
        if task is None:
            yield f"{note.task} was {note.what} and does not exist"
        elif note.what == "completed" and (
            workers[note.worker]["status"] != "completed" or note.worker not in str(task["result"])
        ):
            yield f"{note.task}: the result of {note.worker} was accepted and is gone"
        elif note.what == "cancelled" and task["status"] != "cancelled":
            yield f"{note.task} was cancelled and is {task['status']}"


def _twice(tasks: dict[str, Row]) -> Iterator[str]:
    for title, count in Counter(task["title"] for task in tasks.values()).items():
        if count > 1:
            yield f"{title} was created {count} times"


def _double(workers: dict[str, Row], events: list[Row], notes: list[Note]) -> Iterator[str]:
    done: dict[str, set[str]] = defaultdict(set)
    for worker in workers.values():
        if worker["status"] == "completed":
            done[worker["task_id"]].add(worker["id"])
    for note in notes:
        if note.what == "completed":
            done[note.task].add(note.worker)
    for task, by in done.items():
        if len(by) > 1:
            yield f"{task} was completed by {sorted(by)}"
    told = Counter(event["task_id"] for event in events if event["type"] == "worker:completed")
    yield from (f"{task}: completion was told {n} times" for task, n in told.items() if n > 1)


def _stale(events: list[Row]) -> Iterator[str]:
    """An ended attempt may still send its bill; nothing else of it is taken."""
    ended: set[str] = set()
    for event in events:
        worker = event["worker_id"]
        if worker in ended and event["type"] in {*_REPORTS, "worker:status"}:
            yield f"{worker}: {event['type']} after its end, at {event['seq']}"
        if event["type"] == "worker:status" and event["data"]["status"] in ENDED:
            ended.add(worker)


def _two_holders(events: list[Row]) -> Iterator[str]:
    holder: dict[str, str] = {}
    for event in events:
        if event["type"] != "worker:status":
            continue
        task, worker = event["task_id"], event["worker_id"]
        if event["data"]["status"] in HOLDING:
            if holder.setdefault(task, worker) != worker:
                yield f"{task}: {worker} and {holder[task]} at {event['seq']}"
        elif holder.get(task) == worker:
            del holder[task]


def _over(found: dict[str, list[Row]], events: list[Row]) -> Iterator[str]:
    """More live workers than allowed, at any moment."""
    limits = {
        row["id"]: row["max_concurrent_workers"]
        for row in [*found["account"], *found["workspace"]]
        if row["max_concurrent_workers"] is not None
    }
    live: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event["type"] != "worker:status":
            continue
        for owner in (event["account_id"], event["workspace_id"]):
            if event["data"]["status"] in LIVE:
                live[owner].add(event["worker_id"])
            else:
                live[owner].discard(event["worker_id"])
            if len(live[owner]) > limits.get(owner, len(live[owner])):
                yield f"{owner}: {len(live[owner])} live workers at {event['seq']}"


def _overspent(found: dict[str, list[Row]]) -> Iterator[str]:
    """No claim reserved beyond a cap. What already runs may overshoot, and is asked about."""
    caps = {row["id"]: row["max_cost_per_day"] for row in found["account"]}
    used: Counter[tuple[str, str]] = Counter()
    for row in sorted(found["ledger"], key=lambda row: str(row["id"])):
        day = (row["account_id"], str(row["day"]))
        used[day] += row["spent"] + row["reserved"]
        if row["kind"] == "reserve" and used[day] > caps[row["account_id"]]:
            yield f"{row['account_id']}: {used[day]} of {caps[row['account_id']]} at {row['id']}"


def _missed(events: list[Row], seen: list[list[int]]) -> Iterator[str]:
    there = [event["seq"] for event in events]
    for number, heard in enumerate(seen):
        if heard != there:
            missing = sorted(set(there) - set(heard))
            yield f"subscriber {number} missed {missing[:5]} of {len(there)}, heard {len(heard)}"


def _poison(tasks: dict[str, Row]) -> Iterator[str]:
    for task in tasks.values():
        if task["title"].startswith(POISON) and task["status"] not in {"failed", "cancelled"}:
            yield f"{task['id']} is {task['status']} after {task['attempt']} attempts"


def _recoveries(
    events: list[Row], notes: list[Note], deaths: list[tuple[int, float]]
) -> Iterator[float]:
    died = dict(deaths)
    held = {
        note.worker: died[note.process]
        for note in notes
        if note.what == "claimed" and note.process in died
    }
    for event in events:
        lost = event["type"] == "worker:error" and event["data"]["errorCode"] == "lease_lost"
        since = _seconds(event["at"]) - held.get(event["worker_id"], float("inf")) if lost else -1
        if since > 0:
            yield since


def _seconds(moment: datetime | str) -> float:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return moment.timestamp()
