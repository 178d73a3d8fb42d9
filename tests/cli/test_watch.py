"""Watching a task: from its first event to an exit code that says how it ended."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import buildd
from buildd.models import ArtifactType, Claimed, QuestionType, Task, Workspace
from buildd.routing import AccountType
from tests.cli.conftest import ADMIN_KEY, Cli
from tests.patience import PATIENCE


class Team:
    """A workspace with an account that may work in it, on the command line's server."""

    def __init__(self, bd: buildd.Client) -> None:
        self.bd = bd
        self.workspace: Workspace = bd.workspaces.create(name="shop")
        account = bd.accounts.create(type=AccountType.SERVICE, name="vm")
        bd.accounts.grant(account_id=account.id, workspace_id=self.workspace.id)
        self.account = bd.with_key(account.api_key)

    def task(self, title: str) -> Task:
        return self.bd.tasks.create(workspace_id=self.workspace.id, title=title)

    def claim(self) -> tuple[Claimed, buildd.Client]:
        (claimed,) = self.account.workers.claim().workers
        return claimed, self.bd.with_key(claimed.lease.token)


@contextmanager
def team(cli: Cli) -> Iterator[Team]:
    with buildd.connect(cli.environ["BUILDD_SERVER"], api_key=ADMIN_KEY) as bd:
        yield Team(bd)


def until(lines: Iterator[bytes], *words: str) -> str:
    """The first line with all these words."""
    for line in lines:
        text = line.decode()
        if all(word in text for word in words):
            return text
    raise AssertionError(f"no line with {words}")


def test_a_task_is_watched_from_its_creation_to_its_end(remote: Cli) -> None:
    with team(remote) as there:
        watch = remote.start(
            *("tasks", "create", "Fix it", "--workspace", there.workspace.id, "--watch", "--json"),
        )
        with watch:
            until(watch.stderr, "task:created", "Fix it")
            claimed, agent = there.claim()
            until(watch.stderr, "pending → assigned")
            agent.workers.start(id=claimed.id)
            agent.workers.heartbeat(id=claimed.id, status="running", progress=40, turns=3)
            until(watch.stderr, "40 %, 3 turns")
            agent.workers.ask(id=claimed.id, type=QuestionType.QUESTION, prompt="Which one?")
            until(watch.stderr, "asks: Which one?")
            said = remote.ok("workers", "answer", claimed.id, "The first")
            assert said == f"answered {claimed.id}\n"
            agent.messages.create(worker_id=claimed.id, content="I see")
            until(watch.stderr, "assistant: I see")
            agent.workers.complete(id=claimed.id, result={"ok": True})
            out, _ = watch.communicate(timeout=PATIENCE)
        assert watch.returncode == 0
        assert json.loads(out)["result"] == {"ok": True}


def test_a_task_that_fails_is_a_failure(remote: Cli) -> None:
    with team(remote) as there:
        task = there.task("Fix it")
        watch = remote.start("tasks", "watch", task.id)
        with watch:
            until(watch.stderr, "task:created")
            claimed, agent = there.claim()
            agent.workers.fail(id=claimed.id, error="it cannot be done", retryable=False)
            out, _ = watch.communicate(timeout=PATIENCE)
        assert watch.returncode == 1
        assert out.decode().startswith(f"{task.id} failed")


def test_what_an_attempt_leaves_behind_can_be_read(remote: Cli) -> None:
    with team(remote) as there:
        task = there.task("Fix it")
        claimed, agent = there.claim()
        agent.workers.start(id=claimed.id)
        diff = "--- a\n+++ b\n"
        made = agent.artifacts.create(worker_id=claimed.id, type=ArtifactType.DIFF, content=diff)
        agent.artifacts.create(worker_id=claimed.id, type=ArtifactType.SUMMARY, content="done")
        agent.messages.create(worker_id=claimed.id, content="one")
        agent.messages.create(worker_id=claimed.id, content="two \x1b[2J")
    assert remote.ok("tasks", "artifacts", task.id, "--type", "diff", "--content") == diff
    assert [each["type"] for each in remote.json("tasks", "artifacts", task.id)] == [
        "summary",
        "diff",
    ]
    spoken = remote.ok("tasks", "messages", task.id)
    assert spoken.index("one") < spoken.index("two \\x1b[2J")
    assert remote.ok("workers", "comment", made.id, "Nice") == f"commented on {made.id}\n"
    (worker,) = remote.json("workers", "list", "--task", task.id, "--status", "starting")
    assert worker["id"] == claimed.id
    assert "; its agent pauses at the next heartbeat" in remote.ok("workers", "pause", worker["id"])


def test_events_are_lines_for_people_and_for_programs(remote: Cli) -> None:
    with team(remote) as there:
        task = there.task("Fix\nit")
    for_people = remote.ok("events", "--task", task.id).splitlines()
    assert len(for_people) == 1
    assert for_people[0].endswith(f"task:created      {task.id}  Fix it")
    task_seq = int(for_people[0].split()[0])
    for_programs = remote.ok(
        *("events", "--type", "task:created", "--json"),
        *("--after", str(task_seq - 1), "--workspace", there.workspace.id),
    ).splitlines()
    (event,) = [json.loads(line) for line in for_programs]
    assert (event["taskId"], event["data"]["title"]) == (task.id, "Fix\nit")


def test_events_are_followed_until_interrupted(remote: Cli) -> None:
    with team(remote) as there:
        task = there.task("before")
        follow = remote.start("events", "--follow", "--after", "0", "--task", task.id)
        with follow:
            until(follow.stdout, "before")
            there.bd.tasks.cancel(id=task.id)
            until(follow.stdout, "task:cancelled")
            follow.send_signal(2)
            _, err = follow.communicate(timeout=PATIENCE)
        assert follow.returncode == 130
        assert b"Traceback" not in err


def until_drawn(drawn: Iterator[bytes], *words: str) -> None:
    """Wait until all these words have been drawn."""
    seen = ""
    for piece in drawn:
        seen += piece.decode(errors="replace")
        if all(word in seen for word in words):
            return
    raise AssertionError(f"no {words} in {seen}")


def screen(cli: Cli, *arguments: str) -> tuple[Any, Iterator[bytes]]:
    """A command on a terminal, and what it draws there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "buildd", *arguments],
        cwd=cli.directory,
        env={**cli.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    return process, _drawn(ours)


def _drawn(terminal: int) -> Iterator[bytes]:
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        while True:
            try:
                yield stream.read(65536)
            except OSError:  # How Linux says that the other side is gone.
                return


def test_a_terminal_shows_the_question_and_how_to_answer_it(remote: Cli) -> None:
    with team(remote) as there:
        task = there.task("Fix it")
        claimed, agent = there.claim()
        agent.workers.start(id=claimed.id)
        agent.workers.heartbeat(id=claimed.id, status="running", progress=70)
        options = ["this", "that"]
        agent.workers.ask(
            id=claimed.id, type=QuestionType.QUESTION, prompt="Which one?", options=options
        )
        process, drawn = screen(remote, "tasks", "watch", task.id)
        with process:
            until_drawn(
                drawn, "Which one?  [this / that]", f"buildd workers answer {claimed.id}", "70 %"
            )
            there.bd.tasks.cancel(id=task.id)
            until_drawn(drawn, f"{task.id} cancelled")
            assert process.wait(PATIENCE) == 1


def test_a_terminal_shows_all_tasks(remote: Cli) -> None:
    with team(remote) as there:
        task = there.task("The first")
        process, drawn = screen(remote, "tasks", "watch", "--workspace", there.workspace.id)
        with process:
            until_drawn(drawn, task.id, "The first", "pending")
            there.bd.tasks.cancel(id=task.id)
            until_drawn(drawn, "cancelled")
            process.send_signal(2)
            assert process.wait(PATIENCE) == 130
