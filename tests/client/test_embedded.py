"""A broker in this process keeps the promises that a server keeps."""

from __future__ import annotations

import threading
from contextlib import closing
from itertools import islice
from pathlib import Path

import anyio
import pytest

import buildd
from buildd.client import as_async
from buildd.events import EventType
from tests.patience import PATIENCE


def test_a_database_url_is_all_it_takes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'team.db'}"
    with buildd.connect(url) as bd:
        workspace = bd.workspaces.create(name="shop", repo="https://github.com/acme/shop")
        task = bd.tasks.create(workspace_id=workspace.id, title="Fix the flaky login test")
    with buildd.connect(url) as bd:
        assert bd.tasks.list() == [task]
        told = [event.type for event in islice(bd.events(0, task_id=task.id), 1)]
    assert told == [EventType.TASK_CREATED]


def test_a_key_is_checked_as_a_server_would(database_url: str) -> None:
    with buildd.connect(database_url) as owner:
        account = owner.accounts.create(type=buildd.AccountType.USER, name="Max")
    with buildd.connect(database_url, api_key=account.api_key) as bd:
        assert bd.accounts.me().id == account.id
        with pytest.raises(buildd.Forbidden):
            bd.accounts.list()
        with pytest.raises(buildd.NotAuthenticated):
            bd.with_key("buildd_wrong").accounts.me()


def test_a_lease_is_a_credential_on_the_same_broker(database_url: str) -> None:
    with buildd.connect(database_url) as bd:
        workspace = bd.workspaces.create(name="shop")
        account = bd.accounts.create(type=buildd.AccountType.USER, name="Max")
        bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
        bd.tasks.create(workspace_id=workspace.id, title="Fix it")
        [claimed] = bd.with_key(account.api_key).workers.claim().workers
        with bd.with_key(claimed.lease.token) as lease:
            started = lease.workers.start(id=claimed.id)
        assert started.status is buildd.WorkerStatus.STARTING
        assert bd.workers.get(id=claimed.id) == started


def test_closing_ends_what_listens(database_url: str) -> None:
    bd = buildd.connect(database_url)
    workspace = bd.workspaces.create(name="shop")
    seen: list[str | None] = []
    first = threading.Event()

    def listen() -> None:
        for event in bd.events(0, types=[EventType.TASK_CREATED]):
            seen.append(event.task_id)
            first.set()

    listener = threading.Thread(target=listen)
    listener.start()
    task = bd.tasks.create(workspace_id=workspace.id, title="Fix it")
    assert first.wait(PATIENCE)
    bd.close()
    listener.join(PATIENCE)
    assert not listener.is_alive()
    assert seen == [task.id]


def test_an_event_loop_is_told_as_it_happens(database_url: str) -> None:
    async def main() -> list[int]:
        seen: list[int] = []
        async with buildd.connect_async(database_url) as bd:
            workspace = await bd.workspaces.create(name="shop")

            async def listen() -> None:
                async for event in bd.events(0):
                    seen.append(event.seq)
                    if len(seen) == 3:
                        return

            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                for number in range(3):
                    await bd.tasks.create(workspace_id=workspace.id, title=f"Task {number}")
        return seen

    assert anyio.run(main) == [1, 2, 3]


def test_closing_ends_what_listens_on_an_event_loop(database_url: str) -> None:
    async def main() -> None:
        bd = buildd.connect_async(database_url)
        listening = anyio.Event()

        async def listen() -> None:
            stream = bd.events(0, types=[EventType.TASK_CREATED])
            await anext(stream)
            listening.set()
            async for _ in stream:
                pytest.fail("nothing else happened")

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            workspace = await bd.workspaces.create(name="shop")
            await bd.tasks.create(workspace_id=workspace.id, title="Fix it")
            await listening.wait()
            await bd.aclose()

    anyio.run(main)


def test_the_counterpart_shares_the_broker_and_leaves_it_open(sqlite_url: str) -> None:
    async def main(bd: buildd.Client) -> str:
        async with as_async(bd) as twin:
            workspace = await twin.workspaces.create(name="shop")
        return workspace.id

    with buildd.connect(sqlite_url) as bd:
        made = anyio.run(main, bd)
        assert [workspace.id for workspace in bd.workspaces.list()] == [made]


def test_a_slow_reader_misses_nothing(sqlite_url: str) -> None:
    with buildd.connect(sqlite_url) as bd, closing(bd.events(0)) as stream:
        workspace = bd.workspaces.create(name="shop")
        bd.tasks.create(workspace_id=workspace.id, title="First")
        seen = [next(stream).seq]
        for number in range(1500):
            bd.tasks.create(workspace_id=workspace.id, title=f"Task {number}")
        seen += [event.seq for event in islice(stream, 1500)]
    assert seen == list(range(1, 1502))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/team.db",
        "postgresql://127.0.0.1:1/x",
        "postgresql://me:hunter2@127.0.0.1:1,127.0.0.1:2/x",
    ],
)
def test_a_database_that_is_not_there_is_one_clear_line(url: str) -> None:
    with pytest.raises(buildd.BuilddError) as caught:
        buildd.connect(url)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_empty_key_is_not_the_owner_s(sqlite_url: str) -> None:
    with pytest.raises(buildd.ConfigError, match="API key"):
        buildd.connect(sqlite_url, api_key="")


def test_a_closed_client_says_so_and_closes_again_quietly(sqlite_url: str) -> None:
    bd = buildd.connect(sqlite_url)
    bd.close()
    bd.close()
    with pytest.raises(buildd.ConfigError, match="this client is closed"):
        bd.tasks.list()
    assert list(bd.events(0)) == []


def claimer(bd: buildd.Client) -> tuple[buildd.Workspace, str]:
    """A workspace, and the key of an account that may claim there."""
    workspace = bd.workspaces.create(name="shop")
    account = bd.accounts.create(type=buildd.AccountType.USER, name="Max")
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    return workspace, account.api_key


def test_a_claim_that_waits_is_answered_when_the_client_closes(database_url: str) -> None:
    bd = buildd.connect(database_url)
    _, key = claimer(bd)
    begun = threading.Event()
    answers: list[object] = []

    def claim() -> None:
        agent = bd.with_key(key)
        agent.accounts.me()
        begun.set()
        try:
            answers.extend(agent.workers.claim(wait_seconds=60).workers)
        except buildd.BuilddError as refusal:
            # The client was closed before the claim was there.
            assert isinstance(refusal, (buildd.ConfigError, buildd.Unavailable))  # noqa: PT017

    claiming = threading.Thread(target=claim)
    claiming.start()
    assert begun.wait(PATIENCE)
    bd.close()
    claiming.join(PATIENCE)
    assert not claiming.is_alive()
    assert answers == []


def test_a_claim_that_was_given_up_takes_no_task(database_url: str) -> None:
    async def main(bd: buildd.Client, key: str) -> None:
        async with as_async(bd) as twin:
            with anyio.move_on_after(0.1):
                await twin.with_key(key).workers.claim(wait_seconds=60)

    with buildd.connect(database_url) as bd:
        workspace, key = claimer(bd)
        anyio.run(main, bd, key)
        task = bd.tasks.create(workspace_id=workspace.id, title="Fix it")
        [claimed] = bd.with_key(key).workers.claim().workers
        assert claimed.task_id == task.id
