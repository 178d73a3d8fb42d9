"""Two server processes on one Postgres: one installation, whichever of them is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from time import monotonic

import pytest

import buildd
from buildd.errors import BuilddError, NotAuthenticated
from buildd.events import EventType
from buildd.models import Task
from buildd.states import TaskStatus
from buildd.store import audit, backup, restore
from tests.blank import Blanks
from tests.deploy.processes import Agents, Crew, Server, crew
from tests.patience import until

TTL = {"BUILDD_LEASE_TTL": "5"}
SLOTS = 3
REVOCATION_SECONDS = 5.0
"""What is promised, and more than enough for what takes milliseconds: nothing else is waited for."""


class Two:
    """The servers, and who works there."""

    def __init__(self, url: str, directory: Path, held: ExitStack) -> None:
        self.url = url
        self.directory = directory
        self.a = held.enter_context(Server(url, directory, TTL))
        self.b = held.enter_context(Server(url, directory, TTL))
        self.at_a = held.enter_context(self.a.owner())
        self.at_b = held.enter_context(self.b.owner())

    def crew(self) -> Crew:
        return crew(self.at_a, SLOTS)


@pytest.fixture(scope="module")
def two(blanks: Blanks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    at = tmp_path_factory.mktemp("two")
    with blanks.lend() as url:
        with ExitStack() as held:
            yield Two(url, at, held)
        assert audit(url, at / "blobs") == []


def test_a_stream_of_one_tells_what_the_other_does(two: Two) -> None:
    workspace = two.crew().workspace
    begin = next(iter(position(two.at_a)))
    with closing(two.at_a.events(after=begin, workspace_id=workspace)) as events:
        for title in ("one", "two"):
            task = two.at_b.tasks.create(workspace_id=workspace, title=title)
            event = next(event for event in events if event.type is EventType.TASK_CREATED)
            assert event.task_id == task.id


def position(bd: buildd.Client) -> Iterator[int]:
    """Of the last event that is kept."""
    with closing(bd.events(after=0)) as events:
        yield next(events).seq


def test_what_one_revokes_the_other_knows(two: Two) -> None:
    team = two.crew()
    with (
        buildd.connect(two.b.url, api_key=team.key) as member,
        closing(member.events(after=0)) as events,
    ):
        next(events)
        [key] = two.at_a.accounts.keys(account_id=team.account)
        began = monotonic()
        two.at_a.accounts.revoke_key(account_id=team.account, id=key.id)
        with pytest.raises(NotAuthenticated):
            while True:
                member.tasks.list(limit=1)
        with pytest.raises(NotAuthenticated):
            list(events)
        assert monotonic() - began < REVOCATION_SECONDS


def test_limits_hold_over_both_and_each_task_is_claimed_once(two: Two) -> None:
    team = two.crew()
    tasks = {two.at_a.tasks.create(workspace_id=team.workspace, title="x").id for _ in range(12)}
    claimed: list[str] = []

    def claim(server: Server) -> None:
        with buildd.connect(server.url, api_key=team.key) as bd, suppress(BuilddError):
            claimed.extend(each.task.id for each in bd.workers.claim(max_tasks=2).workers)

    threads = [threading.Thread(target=claim, args=[each]) for each in [two.a, two.b] * 4]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(claimed) == len(set(claimed)) == SLOTS
    assert set(claimed) <= tasks


def status(bd: buildd.Client, task: Task) -> TaskStatus:
    return bd.tasks.get(id=task.id).status


def test_one_is_killed_and_the_work_goes_on(two: Two, tmp_path: Path) -> None:
    """A backup is taken beside it, too: `test_under_load` tells more of that."""
    file = tmp_path / "a.backup"
    team = two.crew()
    tasks = [two.at_a.tasks.create(workspace_id=team.workspace, title="x") for _ in range(12)]
    with Agents([two.a.url, two.b.url], team.key) as agents:
        until(lambda: len(agents.completed) >= 3)
        backup(two.url, file, two.directory / "blobs")
        two.a.kill()
        # What it had accepted and not yet answered, no agent knows of: the other server does.
        until(lambda: {status(two.at_b, each) for each in tasks} == {TaskStatus.COMPLETED})
        assert len(agents.completed) == len({*agents.completed})
        two.a.start()
        # It finds what happened without it, and takes part again.
        task = two.at_a.tasks.create(workspace_id=team.workspace, title="another")
        until(lambda: status(two.at_b, task) is TaskStatus.COMPLETED)
    assert two.b.stop() == two.a.stop() == 0
    assert restore(f"sqlite:///{tmp_path}/restored.db", file).differences == []
