from __future__ import annotations

import stat
import threading

from buildd.agent import BlockingSession, Completed, serve
from buildd.states import TaskStatus, WorkerStatus
from tests.agent.office import Office


def test_what_an_executor_remembers_outlives_a_pause_and_goes_with_the_attempt(
    office: Office,
) -> None:
    task, noted = office.task(), threading.Event()
    found: list[str] = []

    def handle(session: BlockingSession) -> Completed:
        note = session.memory / "note"
        if note.exists():
            found.append(note.read_text())
            return Completed()
        note.write_text("read half of it")
        noted.set()
        session.receive()
        raise AssertionError("a pause is not a message")

    def pause() -> None:
        noted.wait(30)
        office.owner.workers.pause(id=office.worker(task).id)

    sessions = office.state / "sessions"
    person = threading.Thread(target=pause)
    person.start()
    serve(office.account, handle, single_run=True, max_tasks=1, state_dir=office.state)
    person.join()
    worker = office.worker(task)
    assert worker.status is WorkerStatus.PAUSED
    assert stat.S_IMODE((sessions / worker.id).stat().st_mode) == 0o700
    office.owner.workers.start(id=worker.id)
    serve(office.account, handle, single_run=True, max_tasks=1, state_dir=office.state)
    assert found == ["read half of it"]
    assert office.read(task).status is TaskStatus.COMPLETED
    assert not any(sessions.iterdir())
