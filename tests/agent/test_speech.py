"""What an attempt says comes through in its order, once, and together where it had to wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest

from buildd.agent import retry
from buildd.agent.speech import Speech
from buildd.client import AsyncClient, as_async, connect_async
from buildd.errors import BuilddError, Invalid, OutcomeUnknown, Unreachable
from buildd.models import Claimed, Worker
from buildd.operations import CreateMessages, Operation
from buildd.operations.records import MAX_MESSAGES
from buildd.wire import BODY_LIMIT, MOST_VALUES, encode
from tests.agent.office import Office
from tests.agent.test_agent_process import serving
from tests.patience import PATIENCE

R = TypeVar("R")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_FIRST", 0.001)
    monkeypatch.setattr(retry, "_LONGEST", 0.001)


@dataclass
class Network:
    """A transport that keeps what it carries, and does to each call what the test says."""

    inner: Any
    before: Callable[[int], BuilddError | None] = lambda _: None
    """What the call of this number fails with, and is not done."""
    after: Callable[[int], BuilddError | None] = lambda _: None
    """The same, but it is done."""
    sent: list[CreateMessages] = field(default_factory=list)

    async def send(self, operation: Operation[R]) -> R:
        assert isinstance(operation, CreateMessages)
        number = len(self.sent)
        self.sent.append(operation)
        if lost := self.before(number):
            raise lost
        answer: R = await self.inner.send(operation)
        if lost := self.after(number):
            raise lost
        return answer


@asynccontextmanager
async def speaking(client: AsyncClient, worker: Worker) -> AsyncIterator[Speech]:
    speech = Speech(client, worker.id)
    async with anyio.create_task_group() as group:
        group.start_soon(speech.send)
        yield speech
        with anyio.fail_after(PATIENCE):
            await speech._silent.wait()
        group.cancel_scope.cancel()


def claim(office: Office) -> Claimed:
    office.task()
    [claimed] = office.account.workers.claim().workers
    return claimed


def attempt(office: Office, **faults: Any) -> tuple[Worker, Network, AsyncClient]:
    claimed = claim(office)
    lease = as_async(office.account).with_key(claimed.lease.token)
    network = Network(lease.transport, **faults)
    return claimed.worker, network, AsyncClient(network)  # type: ignore[arg-type] # it sends only


def heard(office: Office, worker: Worker) -> list[str]:
    found: list[str] = []
    cursor = None
    while page := office.owner.messages.list(worker_id=worker.id, limit=200, cursor=cursor):
        found += [message.content or "" for message in page]
        cursor = page[-1].id
    return found[::-1]


def sizes(network: Network) -> list[int]:
    return [len(operation.messages) for operation in network.sent]


async def test_what_waits_is_sent_together_and_in_order(office: Office) -> None:
    worker, network, client = attempt(office)
    lines = [f"line {number}" for number in range(2 * MAX_MESSAGES + 7)]
    async with speaking(client, worker) as speech:
        for line in lines:
            speech.say(line)
    assert heard(office, worker) == lines
    assert sizes(network) == [MAX_MESSAGES, MAX_MESSAGES, 7]


async def test_a_message_alone_waits_for_no_other(office: Office) -> None:
    worker, network, client = attempt(office)
    async with speaking(client, worker) as speech:
        for line in ("one", "two"):
            speech.say(line)
            await speech._silent.wait()
    assert heard(office, worker) == ["one", "two"]
    assert sizes(network) == [1, 1]


async def test_what_is_said_while_the_server_is_away_is_all_heard_once(office: Office) -> None:
    away = [*range(30), *range(32, 40)]

    def unreachable(number: int) -> BuilddError | None:
        return Unreachable() if number in away else None

    worker, network, client = attempt(office, before=unreachable)
    lines = [f"line {number}" for number in range(900)]
    async with speaking(client, worker) as speech:
        for line in lines:
            speech.say(line)
            await anyio.lowlevel.checkpoint()
    assert heard(office, worker) == lines
    assert len(network.sent) > len(away)


async def test_what_was_heard_though_the_answer_was_lost_is_not_said_twice(office: Office) -> None:
    worker, network, client = attempt(
        office, after=lambda number: None if number % 2 else OutcomeUnknown()
    )
    lines = [f"line {number}" for number in range(2 * MAX_MESSAGES)]
    async with speaking(client, worker) as speech:
        for line in lines:
            speech.say(line)
    assert heard(office, worker) == lines
    keys = [operation.idempotency_key for operation in network.sent]
    assert keys[0] == keys[1] != keys[2] == keys[3]


async def test_what_is_too_much_while_the_server_is_away_is_told(office: Office) -> None:
    worker, _, client = attempt(office)
    lines = [f"line {number}" for number in range(1003)]
    speech = Speech(client, worker.id)
    for line in lines:
        speech.say(line)
    async with anyio.create_task_group() as group:
        group.start_soon(speech.send)
        await speech.flush(PATIENCE)
        group.cancel_scope.cancel()
    gone = "(3 messages were lost while the server was away)"
    assert heard(office, worker) == [gone, *lines[3:]]


async def test_long_messages_are_not_sent_together(office: Office) -> None:
    worker, network, client = attempt(office)
    lines = [*["\N{SNOWMAN}" * 30_000] * 7, "\x01" * 600_000, *["short"] * 3]
    async with speaking(client, worker) as speech:
        for line in lines:
            speech.say(line)
    assert heard(office, worker) == lines
    assert sizes(network) == [2, 2, 2, 1, 1, 3]
    assert max(len(encode(operation).body or b"") for operation in network.sent) < BODY_LIMIT


async def test_a_message_of_no_message_s_shape_keeps_no_other_back(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    worker, _, client = attempt(office)
    async with speaking(client, worker) as speech:
        speech.say("one")
        speech.say("two", tool_name="")
        speech.say("three", tool_input={1, 2})
        speech.say("four")
    assert heard(office, worker) == ["one", "four"]
    refused = [record.message for record in caplog.records]
    assert [message.partition(": a message was not taken: ")[2][:9] for message in refused] == [
        "tool_name",
        "tool_inpu",
    ]


async def test_what_the_server_refuses_keeps_no_other_back(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    claimed, many = claim(office), [0] * (MOST_VALUES // 2)
    with serving(office.broker) as port:
        async with (
            connect_async(f"http://127.0.0.1:{port}", api_key=claimed.lease.token) as client,
            speaking(client, claimed.worker) as speech,
        ):
            for number in range(9):
                speech.say(f"line {number}", tool_input=many * 3 if number == 4 else many)
    assert heard(office, claimed.worker) == [f"line {n}" for n in range(9) if n != 4]
    [refused] = [record for record in caplog.records if "not taken" in record.message]
    assert f"the body holds more than {MOST_VALUES} values" in refused.message


async def test_a_refused_one_is_found_with_few_requests(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    worker, network, client = attempt(office)

    def refuse(number: int) -> BuilddError | None:
        messages = network.sent[number].messages
        return Invalid("no") if any(each.content == "line 42" for each in messages) else None

    network.before = refuse
    lines = [f"line {number}" for number in range(MAX_MESSAGES)]
    async with speaking(client, worker) as speech:
        for line in lines:
            speech.say(line)
    assert heard(office, worker) == [line for line in lines if line != "line 42"]
    assert len(network.sent) < 20
    assert caplog.text.count("a message was not taken: no") == 1


async def test_nothing_more_is_said_after_the_lease(office: Office) -> None:
    worker, network, client = attempt(office)
    office.owner.tasks.release(id=worker.task_id)
    async with speaking(client, worker) as speech:
        for _ in range(2 * MAX_MESSAGES):
            speech.say("too late")
        await speech._silent.wait()
        speech.say("later still")
    assert heard(office, worker) == []
    assert sizes(network) == [MAX_MESSAGES]
    assert speech.last == "later still"
