"""Events: all of them, in one order, to whoever may see them, from wherever they left off."""

from __future__ import annotations

from contextlib import closing
from itertools import islice, pairwise
from threading import Thread

import pytest

from buildd.client import Client
from buildd.errors import NotAuthenticated
from buildd.events import Event, EventType
from buildd.routing import AccountType
from buildd.testing.conformance.stage import Stage, StageSuite


def until_completed(client: Client, after: int, **wanted: str) -> list[Event]:
    """What is told, up to the end of the first attempt that succeeds."""
    told: list[Event] = []
    with closing(client.events(after, **wanted)) as events:  # type: ignore[arg-type]
        for event in events:
            told.append(event)
            if event.type is EventType.WORKER_COMPLETED:
                break
    return told


def a_life(stage: Stage) -> str:
    """One task from its beginning to its end."""
    claimed, lease = stage.running()
    lease.workers.heartbeat(id=claimed.id, progress=50)
    lease.workers.complete(id=claimed.id)
    return claimed.task_id


class EventSuite(StageSuite):
    """The feed."""

    def test_everything_is_told_once_in_order(self, stage: Stage) -> None:
        """Without gaps, and in the words of the states."""
        task = a_life(stage)
        told = until_completed(stage.bd, 0)
        assert [event.seq for event in told] == list(range(1, len(told) + 1))
        mine = [event for event in told if event.task_id == task]
        assert mine[0].type is EventType.TASK_CREATED
        statuses = [e.data["status"] for e in mine if e.type is EventType.WORKER_STATUS]
        assert statuses == ["idle", "starting", "running", "completed"]
        moves = [e.data["status"] for e in mine if e.type is EventType.TASK_UPDATED]
        assert moves == ["assigned", "running", "completed"]

    def test_a_reader_resumes_where_it_left_off(self, stage: Stage) -> None:
        """At any event, with none missing and none twice."""
        a_life(stage)
        everything = until_completed(stage.bd, 0)
        for event, following in pairwise(everything):
            with closing(stage.bd.events(event.seq)) as resumed:
                assert next(resumed) == following

    def test_a_filter_leaves_out_what_was_not_asked_for(self, stage: Stage) -> None:
        """By workspace, task, worker and type."""
        other, task = a_life(stage), a_life(stage)
        told = until_completed(stage.bd, 0, task_id=task)
        assert {event.task_id for event in told} == {task} != {other}
        worker = told[-1].worker_id
        mine = until_completed(stage.bd, 0, worker_id=str(worker))
        assert [e.seq for e in mine] == [e.seq for e in told if e.worker_id == worker]
        types = [EventType.TASK_CREATED, EventType.WORKER_PROGRESS]
        with closing(stage.bd.events(0, task_id=task, types=types)) as events:
            assert [event.type for event in islice(events, 2)] == types

    def test_what_happens_now_is_told_at_once(self, stage: Stage) -> None:
        """To a reader that waits for it."""
        heard: list[Event] = []
        last = until_last(stage)
        listening = Thread(target=lambda: heard.extend(until_completed(stage.bd, last)))
        listening.start()
        task = a_life(stage)
        listening.join()
        assert heard[-1].task_id == task
        assert [event.seq for event in heard] == list(range(last + 1, last + 1 + len(heard)))

    def test_each_hears_only_of_what_it_may_see(self, stage: Stage) -> None:
        """An account of its workspaces, a lease of its own attempt."""
        hidden = stage.bd.workspaces.create(name="hidden")
        secret = stage.bd.tasks.create(workspace_id=hidden.id, title="Secret")
        claimed, lease = stage.running()
        with closing(lease.events(0)) as events:
            assert next(events).worker_id == claimed.id
        lease.workers.complete(id=claimed.id)
        told = until_completed(stage.agent, 0)
        assert secret.id not in {event.task_id for event in told}
        assert claimed.task_id in {event.task_id for event in told}

    def test_a_revoked_key_hears_nothing(self, stage: Stage) -> None:
        """A new stream is refused."""
        hired = stage.bd.accounts.create(type=AccountType.USER, name="leaver")
        stage.bd.accounts.delete(id=hired.id)
        with pytest.raises(NotAuthenticated):
            next(stage.bd.with_key(hired.api_key).events(0))


def until_last(stage: Stage) -> int:
    """The number of the newest event."""
    a_life(stage)
    return until_completed(stage.bd, 0)[-1].seq
