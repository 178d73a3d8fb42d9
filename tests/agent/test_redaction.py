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
from tests.agent.test_command import run

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
    it_is_nowhere(sqlite_url)


@pytest.mark.parametrize(
    "command",
    [
        "printf %s $THE_KEY",
        "for i in $(seq 1 38); do printf %s $(printf %s $THE_KEY | cut -c$i); sleep 0.01; done",
        "head -c 7990 /dev/zero | tr '\\0' x; echo $THE_KEY",  # at the border of a broken line
        "head -c 480 /dev/zero | tr '\\0' x; echo $THE_KEY; exit 1",  # where an error is cut
        "head -c 65520 /dev/zero | tr '\\0' x; echo $THE_KEY",  # at the border of a read
        r"printf '%s\033[31m%s\033[0m\n' $(echo $THE_KEY | cut -c1-9) $(echo $THE_KEY | cut -c10-)",
        "echo $THE_KEY | base64",
        'echo "{\\"key\\": \\"$THE_KEY\\"}" > $BUILDD_RESULT_FILE',
        "echo $THE_KEY > key.txt; git add .; git commit -qm $THE_KEY",
        'buildd agent say "$THE_KEY"; echo $THE_KEY | buildd agent attach - --title "$THE_KEY"',
        "echo $THE_KEY >&2; exit 3",
    ],
)
def test_a_secret_that_a_command_shows_does_not_reach_the_database(
    office: Office, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("THE_KEY", SECRET)
    task = office.task()
    run(office, command, pass_env=("THE_KEY",))
    assert office.worker(task).completed_at is not None
    it_is_nowhere(sqlite_url)


def it_is_nowhere(url: str) -> None:
    """Search the files of the database."""
    path = Path(url.removeprefix("sqlite:///"))
    stored = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    encoded = base64.b64encode(SECRET.encode())
    assert b"[redacted]" in stored
    for part in (SECRET[:12].encode(), SECRET[-12:].encode(), encoded[:12], encoded[-15:]):
        assert part not in stored


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
