"""An attempt that was put aside goes on where it was, and a later one where an earlier one ended."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from buildd.agent import BlockingSession, Failed, serve
from buildd.agent.function import Handler
from buildd.models import Task
from buildd.states import TaskStatus, WorkerStatus
from tests.agent.office import Office, OfficeMaker, git
from tests.patience import PATIENCE, until


def work(
    office: Office, handle: Handler, state: Path | None = None, *, checkout: bool = True
) -> None:
    """One attempt of an agent."""
    where = state or office.state
    serve(office.account, handle, single_run=True, max_tasks=1, state_dir=where, checkout=checkout)


def work_until_paused(office: Office, task: Task, begin: Callable[[BlockingSession], None]) -> None:
    """One attempt that is put aside once it has begun, and waits for nobody knows what."""
    begun = threading.Event()

    def handle(session: BlockingSession) -> None:
        begin(session)
        begun.set()
        while True:
            session.receive()

    def pause() -> None:
        begun.wait(PATIENCE)
        office.owner.workers.pause(id=office.worker(task).id)

    person = threading.Thread(target=pause)
    person.start()
    work(office, handle)
    person.join()
    assert office.worker(task).status is WorkerStatus.PAUSED


def resume(office: Office, task: Task) -> None:
    office.owner.workers.start(id=office.worker(task).id)


def test_what_an_executor_remembers_outlives_a_pause_and_goes_with_the_attempt(
    office: Office,
) -> None:
    task, sessions = office.task(), office.state / "sessions"
    work_until_paused(office, task, lambda session: _note(session, "read half of it"))
    assert stat.S_IMODE((sessions / office.worker(task).id).stat().st_mode) == 0o700
    resume(office, task)
    work(office, lambda session: {"found": (session.memory / "note").read_text()})
    done = office.read(task)
    assert done.status is TaskStatus.COMPLETED
    assert done.result is not None
    assert done.result["found"] == "read half of it"
    assert not any(sessions.iterdir())


def _note(session: BlockingSession, text: str) -> None:
    (session.memory / "note").write_text(text)


@pytest.mark.parametrize("same_machine", [True, False])
def test_nothing_is_heard_twice_and_nothing_is_missed(
    office: Office, tmp_path: Path, same_machine: bool
) -> None:
    task = office.task()
    told: list[list[str]] = []

    def begin(session: BlockingSession) -> None:
        session.say("I have begun")
        until(lambda: office.said(session.worker))
        say(office, task, "one")
        assert session.receive().content == "one"

    def go_on(session: BlockingSession) -> None:
        told.append([message.content or "" for message in session.history()])
        session.say("I go on")
        say(office, task, "four")
        heard = [session.receive().content or ""]
        while heard[-1] != "four":
            heard.append(session.receive().content or "")
        told.append(heard)
        told.append([message.content or "" for message in session.history()])

    work_until_paused(office, task, begin)
    say(office, task, "two")
    say(office, task, "three")
    resume(office, task)
    if same_machine:
        work(office, go_on)
    else:
        work(office, go_on, tmp_path / "elsewhere", checkout=False)
    known = [] if same_machine else ["two", "three"]
    missed = ["two", "three"] if same_machine else []
    before, heard, again = told
    assert (before, heard) == (["I have begun", "one", *known], [*missed, "four"])
    assert again == before, "what was said since is no history"


def say(office: Office, task: Task, content: str) -> None:
    office.owner.messages.create(worker_id=office.worker(task).id, content=content)


def test_a_resumed_attempt_may_spend_what_is_left(office: Office) -> None:
    task = office.task(max_cost=Decimal(1))
    budgets: list[Decimal | None] = []

    def spend(session: BlockingSession) -> None:
        budgets.append(session.budget)
        session.report(cost_usd=Decimal("0.25"), turns=2)

    work_until_paused(office, task, spend)
    resume(office, task)
    work(office, spend)
    worker = office.worker(task)
    assert budgets == [Decimal(1), Decimal("0.75")]
    assert (worker.cost_usd, worker.turns) == (Decimal("0.5"), 4)


def test_a_later_attempt_starts_from_the_work_of_the_earlier_ones(
    office: Office, repository: Path
) -> None:
    task = office.task(max_attempts=1)
    seen: list[tuple[str | None, str, list[str]]] = []

    def handle(session: BlockingSession) -> Failed | None:
        work = session.workdir / "work.txt"
        found = work.read_text() if work.exists() else ""
        history = [message.content or "" for message in session.history()]
        seen.append((session.earlier, found, history))
        session.say(f"attempt {len(seen)}")
        if len(seen) == 2:
            return Failed("no idea")  # it adds nothing, and takes nothing away
        work.write_text(f"{found}{len(seen)}\n")
        return Failed("half of it is done") if len(seen) == 1 else None

    for _ in range(2):
        work(office, handle)
        office.owner.tasks.retry(id=task.id)
    work(office, handle)
    last, second, first = (worker.branch for worker in office.owner.workers.list(task_id=task.id))
    assert seen == [
        (None, "", []),
        (first, "1\n", ["attempt 1"]),
        (second, "1\n", ["attempt 1", "attempt 2"]),
    ]
    assert git(repository, "show", f"{last}:work.txt") == "1\n3"
    diff = office.artifacts(office.worker(task))["diff"].content or ""
    assert "+1\n+3" in diff, "a reviewer sees the whole work on the task"
    done = office.read(task)
    assert done.result is not None
    assert len(done.result["commits"]) == 2


def test_an_attempt_that_left_no_work_is_no_earlier_one(office: Office) -> None:
    task = office.task(max_attempts=1)
    work(office, lambda _session: Failed("no idea"))
    office.owner.tasks.retry(id=task.id)
    work(office, lambda session: {"earlier": session.earlier})
    done = office.read(task)
    assert done.result is not None
    assert done.result["earlier"] is None


def test_another_machine_goes_on_from_the_pushed_branch_and_the_first_one_after_it(
    open_office: OfficeMaker, remote: Path, tmp_path: Path
) -> None:
    office = open_office(repo=str(remote))
    task = office.task()

    def write(session: BlockingSession) -> None:
        with (session.workdir / "work.txt").open("a") as file:
            file.write(f"{session.workdir.parent.parent.name}\n")

    work_until_paused(office, task, write)
    branch = office.worker(task).branch
    assert git(remote, "show", f"{branch}:work.txt") == "state"
    resume(office, task)
    first, office.state = office.state, tmp_path / "elsewhere"
    work_until_paused(office, task, write)
    resume(office, task)
    office.state = first
    work(office, write)
    assert office.read(task).status is TaskStatus.COMPLETED
    assert git(remote, "show", f"{branch}:work.txt") == "state\nelsewhere\nstate"


def test_a_later_attempt_on_another_machine_starts_from_the_pushed_branch(
    open_office: OfficeMaker, remote: Path, tmp_path: Path
) -> None:
    office = open_office(repo=str(remote))
    task = office.task(max_attempts=1)

    def fail(session: BlockingSession) -> Failed:
        (session.workdir / "work.txt").write_text("half\n")
        return Failed("half of it is done")

    work(office, fail)
    earlier = office.worker(task).branch
    office.owner.tasks.retry(id=task.id)
    work(office, lambda session: {"earlier": session.earlier}, tmp_path / "elsewhere")
    done = office.read(task)
    assert done.result is not None
    assert done.result["earlier"] == earlier
    assert git(remote, "show", f"{office.worker(task).branch}:work.txt") == "half"


def test_a_pause_that_the_server_made_itself_keeps_the_place(open_office: OfficeMaker) -> None:
    office = open_office(ttl=1.0)
    task = office.task()

    def handle(session: BlockingSession) -> None:
        _note(session, "kept")
        # As the reaper does when nobody confirms a pause in time.
        lease = office.account.with_key(session._attempt.claimed.lease.token)
        lease.workers.pause(id=session.worker.id)
        session.receive()

    work(office, handle)
    worker = office.worker(task)
    assert worker.status is WorkerStatus.PAUSED
    assert (office.state / "sessions" / worker.id / "note").read_text() == "kept"
    assert (office.state / "worktrees" / worker.id).is_dir()
