"""An agent believes in its lease only as long as the server just said so, and hears what it orders."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from functools import partial

import anyio
import anyio.to_thread
import pytest

from buildd.agent import lease, listen
from buildd.agent.lease import confirm
from buildd.client import connect_async
from buildd.errors import LeaseLost, Unavailable
from buildd.models import Beat, Lease, Order
from tests.agent.office import Office
from tests.agent.test_agent_process import serving
from tests.patience import PATIENCE, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def answer(*orders: Order) -> Beat:
    given = Lease(epoch=1, expires_at=datetime.now(UTC), heartbeat_seconds=20)
    return Beat(orders=list(orders), messages=[], lease=given)


async def test_an_answer_that_was_read_too_late_confirms_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The clock that counts while a machine sleeps: asked at 0, read after an hour.
    clock = iter([0.0, 3600.0, 3601.0, 3602.0])
    monkeypatch.setattr(lease, "elapsed", lambda: next(clock))
    beats = []

    async def beat() -> Beat:
        beats.append(answer())
        return beats[-1]

    await confirm(beat)
    assert len(beats) == 2


async def test_a_cancelled_attempt_is_confirmed_by_nothing() -> None:
    async def beat() -> Beat:
        return answer(Order.CANCEL)

    with pytest.raises(LeaseLost, match="cancelled"):
        await confirm(beat)


async def test_a_confirmation_waits_for_a_server_that_is_away() -> None:
    answers: list[Beat | Exception] = [Unavailable(), Unavailable(), answer()]

    async def beat() -> Beat:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    await confirm(beat)
    assert answers == []


async def test_an_ear_that_found_no_server_listens_as_soon_as_there_is_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "_AGAIN", 0.1)
    task, rung = office.task(), anyio.Event()
    [claimed] = office.account.workers.claim(task_id=task.id).workers
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def ring() -> None:
        rung.set()

    async with (
        connect_async(f"http://127.0.0.1:{port}", api_key=claimed.lease.token) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(partial(listen.listen, client, claimed.id, ring))
        await rung.wait()  # it could not listen, so the next heartbeat must bring what there is
        with serving(office.broker, port):
            await anyio.to_thread.run_sync(until, office.broker._feed.listeners)
            rung = anyio.Event()
            await anyio.to_thread.run_sync(partial(office.owner.workers.pause, id=claimed.id))
            with anyio.fail_after(PATIENCE):
                await rung.wait()
        group.cancel_scope.cancel()
