"""Several brokers, each in a process of its own, on one database: the same promises hold between them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from buildd import operations as ops
from tests.races import history
from tests.races.conftest import Field

RACER = Path(__file__).with_name("racer.py")
PROCESSES = 3


def race(url: str, keys: list[str], *, finish: bool) -> list[str]:
    """What all of them took, begun at one word when all were ready."""
    order = {"url": url, "keys": keys, "finish": finish}
    racers = [
        subprocess.Popen(
            [sys.executable, RACER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    try:
        for racer in racers:
            _say(racer, json.dumps(order))
        assert [_hear(racer) for racer in racers] == ["ready"] * PROCESSES
        for racer in racers:
            _say(racer, "go")
        taken: list[list[str]] = [json.loads(_hear(racer)) for racer in racers]
        assert [racer.wait() for racer in racers] == [0] * PROCESSES
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    return [task for tasks in taken for task in tasks]


def _say(racer: subprocess.Popen[str], line: str) -> None:
    assert racer.stdin is not None
    racer.stdin.write(line + "\n")
    racer.stdin.flush()


def _hear(racer: subprocess.Popen[str]) -> Any:
    assert racer.stdout is not None
    return racer.stdout.readline().strip()


def test_slots_are_exact_between_processes(field: Field, database_url: str) -> None:
    field.tasks(60)
    accounts = [field.account(slots=3) for _ in range(4)]
    taken = race(database_url, [account.api_key for account in accounts], finish=False)
    assert len(taken) == len(set(taken)) == 12
    seen = history.read(field.broker, field.limits)
    assert [seen.live[account.id] for account in accounts] == [3, 3, 3, 3]


def test_a_workspaces_limit_is_exact_between_processes(field: Field, database_url: str) -> None:
    """Nothing but the limit itself stands between the claims of different accounts."""
    field.tasks(60)
    field.admin(ops.UpdateWorkspace(id=field.workspace.id, max_concurrent_workers=7))
    keys = [field.account(slots=3).api_key for _ in range(8)]
    taken = race(database_url, keys, finish=False)
    assert len(taken) == len(set(taken)) == 7
    history.read(field.broker, {**field.limits, field.workspace.id: 7})


def test_work_is_done_once_between_processes(field: Field, database_url: str) -> None:
    tasks = field.tasks(120)
    keys = [field.account(slots=24).api_key for _ in range(4)]
    taken = race(database_url, keys, finish=True)
    assert sorted(taken) == sorted(task.id for task in tasks)
    seen = history.read(field.broker, field.limits)
    assert set(seen.completions) == set(taken)
