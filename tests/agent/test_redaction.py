"""No secret of the agent's comes to the server, by whatever way; the database itself is searched."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from buildd import agent
from buildd.agent import BlockingSession, Completed, Failed
from buildd.events import EventType
from buildd.models import ArtifactType, Role
from tests.agent.office import Office

SECRET = "wJalrXUtnFEMIK7MDENG+bPxRfiCY/EXAMPLE"  # noqa: S105 - it opens nothing


def say(session: BlockingSession) -> None:
    session.say(f"the key is {SECRET}")
    session.say(SECRET, role=Role.TOOL, tool_name="bash", tool_input={SECRET: [SECRET]})
    session.say("x" * 999_980 + SECRET)  # cut where it is


def attach(session: BlockingSession) -> None:
    session.attach(ArtifactType.FILE, title=f"a {SECRET}", content=SECRET, metadata={"k": SECRET})


def ask(session: BlockingSession) -> None:
    assert session.ask(f"Is {SECRET} right?", options=[SECRET, "no"]) == "no"


def report(session: BlockingSession) -> None:
    session.report(session_id=SECRET)


def succeed(session: BlockingSession) -> Completed:
    return Completed({"key": {"is": f"<{SECRET}>"}}, summary=f"# {SECRET}")


def fail(session: BlockingSession) -> Failed:
    return Failed(f"{SECRET} was refused", retryable=False, summary=SECRET)


def crash(session: BlockingSession) -> None:
    raise RuntimeError(f"{SECRET} was refused")


def commit(session: BlockingSession) -> None:
    (session.workdir / "settings.py").write_text(f"KEY = '{SECRET}'\n")


def encode(session: BlockingSession) -> None:
    for secret in (SECRET, f"x{SECRET}", f"user:{SECRET}"):
        session.say(base64.b64encode(secret.encode()).decode())


@pytest.mark.parametrize(
    "handle",
    [say, attach, ask, report, succeed, fail, crash, commit, encode],
    ids=lambda f: f.__name__,
)
def test_a_secret_does_not_reach_the_database(
    office: Office,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    handle: Callable[[BlockingSession], object],
) -> None:
    monkeypatch.setenv("THE_KEY", SECRET)
    task = office.task()

    def answer() -> None:
        for event in office.owner.events(0, types=[EventType.WORKER_WAITING]):
            assert event.worker_id is not None
            office.owner.workers.answer(id=event.worker_id, content="no")
            return

    if handle is ask:
        threading.Thread(target=answer).start()
    agent.serve(
        office.account,
        handle,  # type: ignore[arg-type]
        single_run=True,
        max_tasks=1,
        state_dir=office.state,
    )
    assert office.worker(task).completed_at is not None
    stored = b"".join(path.read_bytes() for path in database_files(sqlite_url))
    encoded = base64.b64encode(SECRET.encode())
    assert b"[redacted]" in stored
    for part in (SECRET[:15].encode(), SECRET[-15:].encode(), encoded[:15], encoded[-15:]):
        assert part not in stored


def database_files(url: str) -> list[Path]:
    path = Path(url.removeprefix("sqlite:///"))
    return [each for each in path.parent.glob(f"{path.name}*") if each.is_file()]


def test_the_lease_token_and_keys_of_ours_are_secret_too(office: Office) -> None:
    seen: list[str] = []

    def handle(session: BlockingSession) -> None:
        token = session._attempt.claimed.lease.token
        seen.append(token)
        session.say(f"{token} {office.key}")

    task = office.task()
    agent.serve(office.account, handle, single_run=True, max_tasks=1, state_dir=office.state)
    assert seen[0].startswith("buildd_lease_")
    assert office.said(office.worker(task)) == "[redacted] [redacted]"
