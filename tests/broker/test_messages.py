"""Many messages in one call: in their order, once, and all of them or none."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest
import uuid_utils

from buildd import operations as ops
from buildd.broker import ADMIN, Principal
from buildd.errors import Forbidden, Invalid, LeaseLost
from buildd.events import EventType
from buildd.models import Message, Role, Said
from buildd.operations.records import MAX_MESSAGES
from buildd.store import Transaction
from buildd.store.sql.events import EVENTS_AFTER
from tests.broker.conftest import House

LINES = [f"line {number}" for number in range(MAX_MESSAGES)]


def said(worker_id: str, *contents: str, key: str | None = None) -> ops.CreateMessages:
    messages = [ops.BatchedMessage(content=each) for each in contents]
    return ops.CreateMessages(worker_id=worker_id, messages=messages, idempotency_key=key)


def running(house: House) -> tuple[str, Principal]:
    house.task()
    claimed, lease = house.running(house.account())
    return claimed.id, lease


def heard(house: House, worker_id: str) -> list[Message]:
    """All that was said, oldest first."""
    found: list[Message] = []
    while len(page := house.admin(_page(worker_id, found))) == 200:
        found += page
    return [*found, *page][::-1]


def _page(worker_id: str, found: list[Message]) -> ops.ListMessages:
    cursor = found[-1].id if found else None
    return ops.ListMessages(worker_id=worker_id, limit=200, cursor=cursor)


def told(house: House) -> list[tuple[str, str]]:
    """What the feed says of messages: the id and the content of each."""

    def read(tx: Transaction) -> list[tuple[str, str]]:
        rows = tx.all(EVENTS_AFTER, after=0, limit=1000)
        messages = (row.data for row in rows if row.type == EventType.WORKER_MESSAGE)
        return [(data["messageId"], data["content"]) for data in messages]

    return house.broker._store.read(read).result()


def test_many_things_are_said_in_their_order(house: House) -> None:
    worker, lease = running(house)
    first = house.broker.execute(said(worker, *LINES), lease)
    second = house.broker.execute(said(worker, "the end"), lease)
    messages = heard(house, worker)
    assert [message.content for message in messages] == [*LINES, "the end"]
    assert [Said(id=message.id) for message in messages] == [*first, *second]
    assert told(house) == [(message.id, message.content) for message in messages]


def test_a_batch_says_what_the_same_messages_say_one_by_one(house: House) -> None:
    worker, lease = running(house)
    fields: list[dict[str, object]] = [
        {"content": "Look."},
        {"content": "", "role": "system"},
        {"content": "x" * 5000, "cost_usd": 1.5},
        {"content": "ls", "role": "tool", "tool_name": "bash", "tool_input": {"a": [1, None]}},
        {"content": "ls", "role": "tool", "tool_name": "bash", "tool_output": "README.md"},
    ]
    alone = [
        house.broker.execute(ops.CreateMessage.model_validate({"worker_id": worker, **each}), lease)
        for each in fields
    ]
    house.broker.execute(
        ops.CreateMessages.model_validate({"worker_id": worker, "messages": fields}), lease
    )
    together = heard(house, worker)[len(alone) :]
    assert [each.model_copy(update={"id": ""}) for each in together] == [
        each.model_copy(update={"id": ""}) for each in alone
    ]
    assert [content for _, content in told(house)] == 2 * [
        str(each["content"])[:2000] for each in fields
    ]


def test_its_order_does_not_hang_on_the_clock(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, lease = running(house)
    falling = count(2**100, -1)
    with monkeypatch.context() as patched:
        patched.setattr(uuid_utils, "uuid7", lambda: SimpleNamespace(int=next(falling)))
        house.broker.execute(said(worker, *LINES), lease)
    assert [message.content for message in heard(house, worker)] == LINES


def test_a_batch_that_comes_twice_is_said_once(house: House) -> None:
    worker, lease = running(house)
    first = house.broker.execute(said(worker, "one", "two", key="k"), lease)
    assert house.broker.execute(said(worker, "one", "two", key="k"), lease) == first
    with pytest.raises(Invalid, match="Idempotency-Key"):
        house.broker.execute(said(worker, "one", "three", key="k"), lease)
    assert [message.content for message in heard(house, worker)] == ["one", "two"]
    assert len(told(house)) == 2


def test_a_lost_lease_says_nothing_not_even_again(house: House) -> None:
    worker, lease = running(house)
    house.broker.execute(said(worker, "one", key="k"), lease)
    house.broker.execute(ops.CompleteWorker(id=worker), lease)
    for key in ("k", None):
        with pytest.raises(LeaseLost):
            house.broker.execute(said(worker, "one", key=key), lease)
    assert [message.content for message in heard(house, worker)] == ["one"]


def test_people_say_one_thing_at_a_time(house: House) -> None:
    worker, _ = running(house)
    for person in (ADMIN, house.account()):
        with pytest.raises(Forbidden, match="the lease token of the worker"):
            house.broker.execute(said(worker, "Take red."), person)


@pytest.mark.parametrize("size", [0, MAX_MESSAGES + 1])
def test_a_batch_of_messages_has_a_size(size: int) -> None:
    with pytest.raises(ValueError, match="messages"):
        said("wkr_1", *["x"] * size)


def test_the_role_of_a_batched_message_is_the_agents_unless_it_is_given(house: House) -> None:
    worker, lease = running(house)
    messages = [ops.BatchedMessage(content="a"), ops.BatchedMessage(content="b", role=Role.SYSTEM)]
    house.broker.execute(ops.CreateMessages(worker_id=worker, messages=messages), lease)
    assert [message.role for message in heard(house, worker)] == [Role.ASSISTANT, Role.SYSTEM]
    # What an agent says is no message to it.
    assert house.broker.execute(ops.Heartbeat(id=worker), lease).messages == []
