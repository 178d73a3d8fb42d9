from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path

import pytest

from buildd import agent
from buildd.agent import AgentOptions, BlockingSession, Failed, Session, Stopped, place
from buildd.agent.scratch import is_taken
from buildd.errors import ConfigError, Forbidden
from buildd.models import ArtifactType
from buildd.states import TaskStatus, WorkerStatus
from tests.agent.office import Office, OfficeMaker, git
from tests.patience import PATIENCE


def serve(office: Office, handle: agent.Handler, **options: object) -> None:
    """Run an agent until there is nothing left to claim."""
    settings: dict[str, object] = {"single_run": True, "state_dir": office.state, **options}
    agent.serve(office.account, handle, **settings)  # type: ignore[arg-type]


def test_a_plain_function_does_a_task(office: Office, repository: Path) -> None:
    task = office.task()

    def handle(session: BlockingSession) -> dict[str, int]:
        session.say("on it")
        session.report(progress=40)
        (session.workdir / "login.py").write_text("fixed\n")
        return {"answer": 42}

    serve(office, handle)
    done, worker = office.read(task), office.worker(task)
    assert done.status is TaskStatus.COMPLETED
    assert done.result is not None
    assert done.result["answer"] == 42
    assert done.result["branch"] == worker.branch
    assert done.result["filesChanged"] == 1
    assert office.said(worker) == "on it"
    assert git(repository, "show", f"{worker.branch}:login.py") == "fixed"
    assert git(repository, "log", "-1", "--format=%an <%ae>", worker.branch) == (
        "buildd agent <noreply@buildd.dev>"
    )


def test_a_coroutine_function_does_a_task(office: Office) -> None:
    task = office.task()

    async def handle(session: Session) -> None:
        await session.attach(ArtifactType.LINK, title="docs", content="https://example.com")

    serve(office, handle)
    assert office.read(task).status is TaskStatus.COMPLETED
    assert office.artifacts(office.worker(task))["link"].content == "https://example.com"


def test_the_state_directory_may_be_a_link_or_relative(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    task = office.task()

    def handle(session: BlockingSession) -> None:
        assert session.scratch.is_absolute()
        (session.workdir / "login.py").write_text("fixed\n")

    serve(office, handle, state_dir=Path("link"))
    assert office.read(task).status is TaskStatus.COMPLETED


def test_the_checkout_is_untouched(office: Office, repository: Path) -> None:
    (repository / "README.md").write_text("being edited\n")
    (repository / "new.txt").write_text("not added\n")
    before = git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD")
    office.task()

    def handle(session: BlockingSession) -> None:
        assert (session.workdir / "README.md").read_text() == "a shop\n"
        assert not session.workdir.is_relative_to(repository)
        (session.workdir / "README.md").write_text("changed by the task\n")

    serve(office, handle)
    assert (
        git(repository, "status", "--porcelain"),
        git(repository, "rev-parse", "HEAD"),
    ) == before
    assert (repository / "README.md").read_text() == "being edited\n"
    assert git(repository, "worktree", "list").count("\n") == 0


def test_a_task_without_changes_leaves_no_branch(office: Office, repository: Path) -> None:
    task = office.task()
    serve(office, lambda _: None)
    assert office.read(task).status is TaskStatus.COMPLETED
    assert git(repository, "branch", "--list", "buildd/*") == ""
    assert "diff" not in office.artifacts(office.worker(task))


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("in_loop", [False, True])
def test_an_exception_is_a_retryable_failure(
    office: Office, kind: type[BaseException], in_loop: bool
) -> None:
    task = office.task()

    def handle(_: BlockingSession) -> None:
        raise kind("no way")

    async def handle_in_loop(_: Session) -> None:
        raise kind("no way")

    serve(office, handle_in_loop if in_loop else handle)
    assert office.read(task).status is TaskStatus.PENDING
    worker = office.worker(task)
    assert (worker.status, worker.error) == (WorkerStatus.ERROR, f"{kind.__name__}: no way")
    assert "in handle" in (office.artifacts(worker)["summary"].content or "")


def test_a_fault_in_the_agent_leaves_the_work_to_the_next_one(
    office: Office, repository: Path
) -> None:
    task = office.task()

    def handle(session: BlockingSession) -> Failed:
        (session.workdir / "half.txt").write_text("half\n")
        return Failed("no way", summary=5)  # type: ignore[arg-type]

    serve(office, handle)
    worker = office.worker(task)
    assert worker.status is WorkerStatus.RUNNING, "its lease runs out by itself"
    scratch = office.state / "scratch" / worker.id
    assert scratch.exists()
    assert not is_taken(scratch)
    serve(office, lambda _: None)
    assert git(repository, "show", f"{worker.branch}:half.txt") == "half"
    assert not scratch.exists()


def test_an_agent_without_room_to_work_ends_and_hands_its_task_back(
    open_office: OfficeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "_LEAST_SPACE", 10**18)
    office = open_office(local_path=str(tmp_path / "not-there"))
    task = office.task()
    with pytest.raises(ConfigError, match="no space left on its disk"):
        serve(office, lambda _: None)
    task = office.read(task)
    assert (task.status, task.attempt) == (TaskStatus.PENDING, 0)


def test_a_failure_for_good_ends_the_task(office: Office) -> None:
    task = office.task()
    serve(office, lambda _: Failed("impossible", retryable=False))
    failed = office.read(task)
    assert (failed.status, failed.error) == (TaskStatus.FAILED, "impossible")


@pytest.mark.parametrize("wrong", [42, {"a": object()}, {"a": "\0"}])
def test_what_cannot_be_a_result_fails_for_good(office: Office, wrong: object) -> None:
    task = office.task()
    serve(office, lambda _: wrong)  # type: ignore[arg-type, return-value]
    assert office.read(task).status is TaskStatus.FAILED


@pytest.mark.parametrize("whose", ["account", "workspace"])
def test_a_single_run_waits_for_a_slot_that_it_takes_itself(office: Office, whose: str) -> None:
    if whose == "account":
        office.owner.accounts.update(id=office.account_id, max_concurrent_workers=1)
    else:
        office.owner.workspaces.update(id=office.workspace_id, max_concurrent_workers=1)
    tasks = [office.task(f"task {number}") for number in range(3)]
    serve(office, lambda _: None, max_tasks=3)
    assert {office.read(task).status for task in tasks} == {TaskStatus.COMPLETED}


def test_a_single_run_does_what_waits_for_its_own_task(office: Office) -> None:
    first = office.task("first")
    second = office.task("second", depends_on=[first.id])
    serve(office, lambda _: None)
    assert office.read(second).status is TaskStatus.COMPLETED


def test_a_single_run_does_not_wait_for_a_slot_that_somebody_else_takes(office: Office) -> None:
    office.owner.accounts.update(id=office.account_id, max_concurrent_workers=1)
    other, task = office.task("other"), office.task()
    office.account.workers.claim(task_id=other.id)
    serve(office, lambda _: None)
    assert office.read(task).status is TaskStatus.PENDING


def test_a_task_that_takes_too_long_is_stopped(office: Office) -> None:
    task = office.task(timeout_seconds=1)
    ended = threading.Event()

    def handle(session: BlockingSession) -> None:
        try:
            session.receive()
        except Stopped:
            ended.set()
            raise

    serve(office, handle)
    assert office.worker(task).error_code == "timeout"
    assert ended.wait(PATIENCE)


def test_a_question_is_answered(office: Office) -> None:
    task = office.task()

    def answer() -> None:
        for event in office.owner.events(0, task_id=task.id):
            if event.type == "worker:waiting":
                assert event.worker_id is not None
                office.owner.workers.answer(id=event.worker_id, content="blue")
                return

    person = threading.Thread(target=answer)
    person.start()
    serve(office, lambda session: {"colour": session.ask("Which colour?", options=["blue", "red"])})  # type: ignore[arg-type, union-attr]
    person.join()
    result = office.read(task).result
    assert result is not None
    assert result["colour"] == "blue"


def test_cancel_reaches_a_waiting_handler_before_the_next_heartbeat(office: Office) -> None:
    task = office.task()
    ended = threading.Event()

    def handle(session: BlockingSession) -> None:
        office.owner.tasks.cancel(id=task.id)
        try:
            session.receive()
        except Stopped:
            assert session.stopping
            ended.set()

    serve(office, handle)
    assert ended.wait(PATIENCE)
    assert office.read(task).status is TaskStatus.CANCELLED
    assert office.worker(task).error_code == "cancelled"


def test_a_person_pauses_and_the_work_is_kept(office: Office, repository: Path) -> None:
    task = office.task()

    def handle(session: BlockingSession) -> None:
        (session.workdir / "half.txt").write_text("half\n")
        office.owner.workers.pause(id=session.worker.id)
        session.receive()

    serve(office, handle)
    worker = office.worker(task)
    assert worker.status is WorkerStatus.PAUSED
    assert git(repository, "show", f"{worker.branch}:half.txt") == "half"


def test_many_tasks_never_more_than_max_at_once(office: Office) -> None:
    tasks = [office.task(f"task {number}") for number in range(6)]
    running, most, lock = 0, 0, threading.Lock()
    two = threading.Barrier(2, timeout=PATIENCE)

    def handle(_: BlockingSession) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        two.wait()
        with lock:
            running -= 1

    for _ in range(3):
        serve(office, handle, max_tasks=2)
    assert {office.read(task).status for task in tasks} == {TaskStatus.COMPLETED}
    assert most == 2


def test_a_workspace_without_a_repository_gives_an_empty_directory(
    open_office: OfficeMaker,
) -> None:
    office = open_office()
    task = office.task()
    serve(office, lambda session: {"files": len(list(session.workdir.iterdir()))})  # type: ignore[arg-type, union-attr]
    assert office.read(task).result == {"files": 0}
    assert list((office.state / "worktrees").iterdir()) == []


def test_an_administrator_cannot_claim(office: Office) -> None:
    with pytest.raises(Forbidden):
        agent.serve(office.owner, lambda _: None, state_dir=office.state)


def test_a_budget_that_is_used_up_ends_the_task_and_the_cost_is_booked(office: Office) -> None:
    task = office.task(max_cost=Decimal(1))

    def handle(session: BlockingSession) -> None:
        session.report(cost_usd=Decimal("1.5"), turns=3)
        session.receive()

    serve(office, handle)
    worker = office.worker(task)
    assert (worker.error_code, worker.cost_usd, worker.turns) == (
        "budget_exhausted",
        Decimal("1.5"),
        3,
    )
    assert office.read(task).status is TaskStatus.FAILED
    assert office.owner.accounts.get(id=office.account_id).total_cost == Decimal("1.5")


def test_what_a_person_says_is_received_in_order_and_once(office: Office) -> None:
    task = office.task()

    def handle(session: BlockingSession) -> dict[str, str]:
        for word in ("one", "two", "three"):
            office.owner.messages.create(worker_id=session.worker.id, content=word)
        return {"heard": " ".join(session.receive().content or "" for _ in range(3))}

    serve(office, handle)
    result = office.read(task).result
    assert result is not None
    assert result["heard"] == "one two three"


def test_totals_given_last_are_reported_before_the_end(office: Office) -> None:
    task = office.task()
    serve(office, lambda session: session.report(progress=70, cost_usd=Decimal("0.25")))
    worker = office.worker(task)
    assert worker.cost_usd == Decimal("0.25")


@pytest.mark.parametrize(
    "wrong",
    [{"max_tasks": 0}, {"max_tasks": 51}, {"drain_timeout": -1}, {"drain_timeout": float("nan")}],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        AgentOptions(**wrong)  # type: ignore[arg-type]


def test_a_total_that_is_none_is_the_handlers_mistake_and_not_the_leases_end(
    office: Office,
) -> None:
    task = office.task()
    serve(office, lambda session: session.report(progress=150))
    assert "progress" in (office.worker(task).error or "")
