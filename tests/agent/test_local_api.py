from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildd import agent
from buildd.agent import BlockingSession
from buildd.events import Event, EventType
from buildd.models import Worker
from buildd.states import TaskStatus
from tests.agent.office import Office, OfficeMaker
from tests.patience import PATIENCE

BUILDD = (sys.executable, "-c", "import sys; from buildd.cli import main; sys.exit(main())")


@dataclass
class Inside:
    """What a program that works on a task can do."""

    session: BlockingSession
    left: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.session.environment["BUILDD_AGENT_SOCKET"]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`buildd agent …`, as a real process."""
        return subprocess.Popen(
            [*BUILDD, "agent", *arguments],
            env={"BUILDD_AGENT_SOCKET": self.path},
            cwd=self.session.scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        program = self.start(*arguments)
        said, error = program.communicate(timeout=PATIENCE)
        assert program.returncode == code, error
        return said if code == 0 else error

    def raw(self, line: bytes) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.path)
            connection.sendall(line)
            answer = connection.makefile("rb").readline()
        found: dict[str, Any] = json.loads(answer)
        return found


def prompt_of(event: Event) -> str:
    waiting = event.data["waitingFor"]
    assert isinstance(waiting, dict)
    return str(waiting["prompt"])


def work(office: Office, program: Callable[[Inside], None]) -> Worker:
    """Do one task with a program; the attempt at its end."""
    task = office.task()
    failed: list[BaseException] = []

    def handle(session: BlockingSession) -> None:
        try:
            program(Inside(session))
        except BaseException as problem:
            failed.append(problem)
            raise

    agent.serve(office.account, handle, single_run=True, max_tasks=1, state_dir=office.state)
    if failed:
        raise failed[0]
    assert office.read(task).status is TaskStatus.COMPLETED
    return office.worker(task)


@contextmanager
def person(office: Office, *answers: str, before: str = "") -> Iterator[list[str]]:
    """Somebody who answers the questions that come, in this order; what was asked."""
    asked: list[str] = []

    def answer() -> None:
        left = list(answers)
        for event in office.owner.events(0, types=[EventType.WORKER_WAITING]):
            assert event.worker_id is not None
            asked.append(prompt_of(event))
            if before:
                office.owner.messages.create(worker_id=event.worker_id, content=before)
            office.owner.workers.answer(id=event.worker_id, content=left.pop(0))
            if not left:
                return

    thread = threading.Thread(target=answer)
    thread.start()
    yield asked
    thread.join()


def test_a_program_asks_and_only_the_answer_is_the_answer(office: Office) -> None:
    with person(office, "sqlite", before="By the way: be quick.") as asked:

        def program(inside: Inside) -> None:
            options = ("--option", "postgres", "--option", "sqlite")
            assert inside.run("ask", "Which database?", *options) == "sqlite\n"
            assert inside.run("messages") == "By the way: be quick.\n"
            assert inside.run("messages") == ""

        work(office, program)
    assert asked == ["Which database?"]


def test_a_program_speaks_and_reports_and_shows(office: Office) -> None:
    def program(inside: Inside) -> None:
        (inside.session.scratch / "notes.md").write_text("# Notes\n")
        assert inside.run("say", "half way") == ""
        assert inside.run("report", "--progress", "40", "--cost", "0.12", "--turns", "3") == ""
        assert inside.run("attach", "notes.md", "--type", "walkthrough") == ""
        assert inside.run("attach", "notes.md", "--title", "The notes") == ""

    worker = work(office, program)
    assert office.said(worker) == "half way"
    assert (worker.cost_usd, worker.turns) == (Decimal("0.12"), 3)
    shown = office.artifacts(worker)
    assert (shown["walkthrough"].title, shown["walkthrough"].content) == ("notes.md", "# Notes\n")
    assert shown["file"].title == "The notes"


def test_who_does_not_wait_leaves_the_question_open_and_its_answer_is_kept(office: Office) -> None:
    waiting = threading.Event()
    answered = threading.Event()

    def answer() -> None:
        for event in office.owner.events(0, types=[EventType.WORKER_WAITING]):
            waiting.set()
            gone.wait(PATIENCE)
            assert event.worker_id is not None
            office.owner.workers.answer(id=event.worker_id, content="yes")
            answered.set()
            return

    gone = threading.Event()
    thread = threading.Thread(target=answer)
    thread.start()

    def program(inside: Inside) -> None:
        impatient = inside.start("ask", "May I?")
        assert waiting.wait(PATIENCE)
        impatient.kill()
        impatient.communicate()
        gone.set()
        assert answered.wait(PATIENCE)
        assert inside.run("ask", "May I?", "--json") == '{"answer": "yes"}\n'

    worker = work(office, program)
    thread.join()
    events = office.owner.events(
        0, worker_id=worker.id, types=[EventType.WORKER_WAITING, EventType.WORKER_COMPLETED]
    )
    assert next(events).type == "worker:waiting"
    assert next(events).type == "worker:completed"


def test_a_question_waits_for_the_one_that_was_left_open(office: Office) -> None:
    waiting = threading.Event()
    asked: list[str] = []

    def answer() -> None:
        for event in office.owner.events(0, types=[EventType.WORKER_WAITING]):
            assert event.worker_id is not None
            asked.append(prompt_of(event))
            waiting.set()
            if len(asked) == 1:
                other.wait(PATIENCE)
            office.owner.workers.answer(id=event.worker_id, content=f"to {asked[-1]}")
            if len(asked) == 2:
                return

    other = threading.Event()
    thread = threading.Thread(target=answer)
    thread.start()

    def program(inside: Inside) -> None:
        impatient = inside.start("ask", "first")
        assert waiting.wait(PATIENCE)
        impatient.kill()
        impatient.communicate()
        patient = inside.start("ask", "second")
        other.set()
        assert patient.communicate(timeout=PATIENCE)[0] == "to second\n"
        assert inside.run("ask", "first") == "to first\n"

    work(office, program)
    thread.join()
    assert asked == ["first", "second"]


def test_several_may_ask_at_once(office: Office) -> None:
    with person(office, "one", "two", "three") as asked:

        def program(inside: Inside) -> None:
            programs = {name: inside.start("ask", name) for name in ("a", "b", "c")}
            got = {n: p.communicate(timeout=PATIENCE)[0].strip() for n, p in programs.items()}
            assert got == dict(zip(asked, ("one", "two", "three"), strict=True))

        work(office, program)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (b"hello\n", "invalid", "body: "),
        (b"\xff\n", "invalid", "body: "),
        (b"[]\n", "invalid", "body: "),
        (b"[" * 100_000 + b"\n", "invalid", "body: "),
        (b'{"verb": "fly"}\n', "invalid", "body: "),
        (b'{"verb": "ask"}\n', "invalid", "ask.prompt: "),
        (b'{"verb": "ask", "prompt": ""}\n', "invalid", "ask.prompt: "),
        (b'{"verb": "say", "text": "a\\u0000b"}\n', "invalid", "say.text: "),
        (b'{"verb": "say", "text": "x", "file": "/etc/passwd"}\n', "invalid", "say.file: "),
        (b'{"verb": "report", "progress": 101}\n', "invalid", "report.progress: "),
        (b'{"verb": "report", "costUsd": -1}\n', "invalid", "report.costUsd: "),
        (b'{"verb": "attach", "type": "virus", "content": ""}\n', "invalid", "attach.type: "),
        (
            b'{"verb": "attach", "type": "pull_request", "content": ""}\n',
            "invalid",
            "attach.type: the server opens pull requests and shows them; attach a link",
        ),
        (b"x" * (8 * 2**20), "too_large", "a request is a line of at most "),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_what_is_no_request_gets_an_error_and_does_no_harm(
    office: Office, line: bytes, code: str, message: str
) -> None:
    def program(inside: Inside) -> None:
        error = inside.raw(line)["error"]
        assert error["code"] == code
        assert error["message"].startswith(message), error
        assert inside.raw(b'{"verb": "messages"}\n') == {"messages": []}

    work(office, program)


def test_random_bytes_do_no_harm(office: Office) -> None:
    def program(inside: Inside) -> None:
        @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
        @given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
        def throw(line: bytes) -> None:
            assert inside.raw(line + b"\n")["error"]["code"] == "invalid"

        throw()

    work(office, program)


def test_those_who_connect_and_say_nothing_keep_nobody_from_leaving(office: Office) -> None:
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]

    def program(inside: Inside) -> None:
        for connection in idle:
            connection.connect(inside.path)
        for connection in idle[:20]:
            connection.close()
        assert inside.run("messages") == ""

    work(office, program)
    for connection in idle:
        connection.close()


def test_mistakes_are_one_line_and_the_exit_codes_of_the_house(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")

    def program(inside: Inside) -> None:
        assert "attach.type" in inside.run("attach", "/dev/null", "--type", "virus", code=2)
        assert "is not UTF-8 text" in inside.run("attach", str(tmp_path / "picture"), code=2)
        assert "nothing to report" in inside.run("report", code=2)
        assert "ask.prompt" in inside.run("ask", "", code=2)

    work(office, program)


def test_outside_of_a_task_there_is_no_agent(tmp_path: Path) -> None:
    for environment, code, words in (
        ({}, 2, "BUILDD_AGENT_SOCKET is not set: this works only inside of a task"),
        ({"BUILDD_AGENT_SOCKET": str(tmp_path / "gone")}, 5, "the agent does not answer"),
    ):
        done = subprocess.run(
            [*BUILDD, "agent", "say", "hello"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (code, "")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_the_socket_is_the_users_alone_and_goes_with_the_attempt(office: Office) -> None:
    seen: list[Path] = []

    def program(inside: Inside) -> None:
        path = Path(inside.path)
        seen.append(path)
        assert path.parent == inside.session.scratch
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    with tempfile.TemporaryDirectory() as state:
        office.state = Path(state)
        work(office, program)
        assert not seen[0].exists()


def test_a_long_state_directory_is_no_hindrance(open_office: OfficeMaker, tmp_path: Path) -> None:
    office = open_office()
    office.state = tmp_path / ("deep" * 20) / ("deeper" * 20)
    seen: list[Path] = []

    def program(inside: Inside) -> None:
        seen.append(Path(inside.path))
        assert len(inside.path) < 100
        assert stat.S_IMODE(seen[0].parent.stat().st_mode) == 0o700
        assert inside.run("messages") == ""

    work(office, program)
    assert not seen[0].parent.exists()
