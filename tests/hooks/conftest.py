"""A broker on a fresh database of either kind, whose relay makes a round when the test says so."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import anyio
import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker
from buildd.broker._context import Context
from buildd.broker.relay import HookSender, RelayPace
from buildd.broker.relay.rounds import Rounds
from buildd.destinations import Destination
from buildd.errors import BuilddError
from buildd.models import Delivery, Hook, NewHook
from buildd.store import Transaction
from tests.broker.conftest import House, house

__all__ = ["house"]

T = TypeVar("T")

URL = "https://hooks.example/buildd"
GONE = 410


@dataclass(frozen=True)
class Sent:
    """One call that was made."""

    url: Destination
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    def signed_by(self, *secrets: str) -> bool:
        """Whether it has exactly the signatures of these secrets, in this order."""
        text = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
        digests = [hmac.new(key, text, hashlib.sha256).digest() for key in keys]
        right = " ".join(f"v1,{base64.b64encode(each).decode()}" for each in digests)
        return self.headers["webhook-signature"] == right


@dataclass
class Line:
    """The network: keeps what is sent over it, and answers as it is told."""

    answers: list[int | BuilddError] = field(default_factory=list)
    """What the next calls get; 204 when there is nothing more."""
    sent: list[Sent] = field(default_factory=list)

    async def post(self, there: Destination, headers: Mapping[str, str], body: bytes) -> int:
        self.sent.append(Sent(there, headers, body))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, BuilddError):
            raise answer
        return answer


class Office:
    """Hooks of a house, and rounds of the relay by hand."""

    def __init__(self, house: House, pace: RelayPace | None = None) -> None:
        self.house = house
        self.line = Line()
        self.pace = pace or RelayPace()
        self._rounds = self.rounds(house.broker, self.line)

    def rounds(self, broker: Broker, line: Line) -> Rounds:
        """A relay of a server's."""
        context = partial(broker._context, principal=ADMIN)
        return Rounds(broker._store, context, [HookSender(line.post)], self.pace)

    def read(self, work: Callable[[Transaction], T]) -> T:
        return self.house.broker._store.read(work).result()

    def write(self, work: Callable[[Context], T]) -> T:
        """As a relay of any server on this database does."""
        broker = self.house.broker
        return broker._store.write(lambda tx: work(broker._context(tx, ADMIN))).result()

    def hook(self, **fields: Any) -> NewHook:
        return self.house.admin(ops.CreateHook(url=URL, **fields))

    def see(self, hook: Hook) -> Hook:
        return self.house.admin(ops.GetHook(id=hook.id))

    def deliveries(self, hook: Hook) -> list[Delivery]:
        return self.house.admin(ops.ListDeliveries(hook_id=hook.id, limit=200))

    def round(self, *answers: int | BuilddError, by: Rounds | None = None) -> list[Sent]:
        """Make a round; what it sent."""
        self.line.answers, before = list(answers), len(self.line.sent)

        async def go() -> None:
            async with anyio.create_task_group() as tasks:
                await (by or self._rounds).go(tasks)

        asyncio.run(go())
        return self.line.sent[before:]

    def done(self) -> str:
        """A task that is completed; its id."""
        account = self.house.account()
        task = self.house.task()
        claimed, lease = self.house.take(account, task_id=task.id)
        self.house.broker.execute(ops.StartWorker(id=claimed.id), lease)
        self.house.broker.execute(ops.CompleteWorker(id=claimed.id, result={"ok": True}), lease)
        return task.id


@pytest.fixture
def office(house: House) -> Office:
    return Office(house)
