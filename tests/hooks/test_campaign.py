"""A receiver that does everything wrong, and servers that are killed while they send: all of it arrives."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import random
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker
from buildd.models import NewHook
from buildd.states import DeliveryStatus
from buildd.telling import HookType
from tests.hooks.receiver import CLOSE, HANG, RESET, Call, Receiver
from tests.hooks.relaying import relaying
from tests.patience import PATIENCE, until

LONG = "BUILDD_LONG" in os.environ
TASKS, DEATHS = (300, 12) if LONG else (24, 1)
TAKEN = 204
WRONG = (500, 503, 429, 302, 404, HANG, RESET, CLOSE)
ROOT = Path(__file__).parents[2]


class Receiving:
    """Takes every third call or so; while servers are to die, one does in the middle of a call."""

    def __init__(self, expected: int) -> None:
        self.ids: dict[str, set[str]] = defaultdict(set)
        """By task, the ids that it was told under."""
        self.taken: set[str] = set()
        self.forged = 0
        self.calls = 0
        self.secret = ""
        self.all_taken = threading.Event()
        self.to_kill: subprocess.Popen[bytes] | None = None
        self._expected = expected
        self._random = random.Random(6)
        self._lock = threading.Lock()

    def answer(self, call: Call) -> int:
        with self._lock:
            self.calls += 1
            self.forged += not _is_signed(call, self.secret)
            task = json.loads(call.body)["taskId"]
            self.ids[task].add(call.headers["webhook-id"])
            if self.to_kill is not None and self.calls % 5 == 0:
                self.to_kill.kill()
                self.to_kill = None
                return HANG
            if self._random.random() < 0.6:
                return self._random.choice(WRONG)
            self.taken.add(task)
            if len(self.taken) == self._expected:
                self.all_taken.set()
            return TAKEN


@pytest.mark.timeout(600 if LONG else 120)
def test_everything_arrives_at_least_once_under_one_id(database_url: str) -> None:
    receiving = Receiving(TASKS)
    with Receiver(answer=receiving.answer) as receiver:
        owner = Broker.open(database_url)
        hook = owner.execute(ops.CreateHook(url=receiver.url, types=[HookType.COMPLETED]), ADMIN)
        receiving.secret = hook.secret
        tasks = _complete(owner, TASKS)
        for _ in range(DEATHS):
            _die_in_the_middle(database_url, receiving)
        survivor = relaying(database_url)
        assert receiving.all_taken.wait(PATIENCE), f"{len(receiving.taken)} of {TASKS}"
        # What was taken from a server that was killed, the survivor has yet to hear.
        until(lambda: _states(owner, hook) == {DeliveryStatus.DELIVERED: TASKS})
        survivor.close()
        owner.close()
    assert receiving.taken == set(tasks)
    assert {task: len(ids) for task, ids in receiving.ids.items()} == dict.fromkeys(tasks, 1)
    assert receiving.forged == 0
    assert receiving.calls > TASKS


def _die_in_the_middle(database_url: str, receiving: Receiving) -> None:
    """A server begins to send, and is killed while somebody has a call of its in hand."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.hooks.relaying", database_url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
    )
    receiving.to_kill = server
    with server:
        server.wait(PATIENCE)


def _complete(broker: Broker, count: int) -> list[str]:
    """Have so many tasks completed; their ids."""
    workspace = broker.execute(ops.CreateWorkspace(name="shop"), ADMIN)
    made = broker.execute(
        ops.CreateAccount(type="service", name="a", max_concurrent_workers=count), ADMIN
    )
    broker.execute(ops.GrantWorkspace(account_id=made.id, workspace_id=workspace.id), ADMIN)
    account = broker.authenticate(made.api_key).result()
    done = []
    for number in range(count):
        new = ops.CreateTask(workspace_id=workspace.id, title=f"task {number}")
        task = broker.execute(new, ADMIN)
        [claimed] = broker.execute(ops.ClaimTasks(task_id=task.id), account).workers
        lease = broker.authenticate(claimed.lease.token).result()
        broker.execute(ops.StartWorker(id=claimed.id), lease)
        broker.execute(ops.CompleteWorker(id=claimed.id), lease)
        done.append(task.id)
    return done


def _states(broker: Broker, hook: NewHook) -> dict[DeliveryStatus, int]:
    counts: dict[DeliveryStatus, int] = defaultdict(int)
    cursor = None
    while page := broker.execute(
        ops.ListDeliveries(hook_id=hook.id, limit=200, cursor=cursor), ADMIN
    ):
        cursor = page[-1].id
        for each in page:
            counts[each.status] += 1
    return counts


def _is_signed(call: Call, secret: str) -> bool:
    text = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return call.headers["webhook-signature"] == f"v1,{right}"
