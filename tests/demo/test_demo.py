"""The demo as a user meets it: real processes, real commits, and a kill -9 of each of them."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

import buildd
from buildd import RunnerPreference, TaskStatus, WorkerStatus
from buildd_server.demo.shop import JOBS

pytestmark = pytest.mark.timeout(180)


class Demo:
    """A `buildd demo` that is running."""

    def __init__(self, directory: Path, process: subprocess.Popen[str]) -> None:
        self.directory = directory
        self.process = process
        self.said = ""

    def reads(self, words: str) -> None:
        """Wait until it has said this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        pytest.fail(f"it ended without saying {words!r}:\n{self.said}")

    def ends_well(self) -> None:
        """Read it to its end, with every task done."""
        self.reads(f"{len(JOBS)} of {len(JOBS)} tasks done")
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        assert self.process.wait() == 0

    def parts(self) -> dict[str, psutil.Process]:
        """What it has started."""
        record = json.loads((self.directory / "processes.json").read_text())
        return {known["name"]: psutil.Process(known["pid"]) for known in record}


@contextmanager
def demo(
    directory: Path, screen: Mapping[str, str] | None = None, stdout: int = subprocess.PIPE
) -> Iterator[Demo]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])  # demos that begin at once would choose the same
    process = subprocess.Popen(
        [Path(sys.executable).with_name("buildd"), "demo", "--dir", directory, "--port", port],
        cwd=directory.parent,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(directory.parent),
            "PYTHONUNBUFFERED": "1",
            **(screen or {}),
        },
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield Demo(directory, process)
        finally:
            process.terminate()


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=directory / "shop", check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def attempts(directory: Path) -> dict[str, tuple[buildd.Task, list[buildd.Worker]]]:
    """The tasks by title, each with its attempts."""
    with buildd.connect(f"sqlite:///{directory}/buildd.db") as bd:
        return {task.title: (task, bd.workers.list(task_id=task.id)) for task in bd.tasks.list()}


def check_work(directory: Path) -> None:
    """Every task has one result: a commit that passes its test, on a branch of its own."""
    found = attempts(directory)
    for job in JOBS:
        task, workers = found[job.title]
        assert task.status is TaskStatus.COMPLETED
        [worker] = [each for each in workers if each.status is WorkerStatus.COMPLETED]
        commits = git(directory, "log", "--format=%s", f"main..{worker.branch}").splitlines()
        # What an earlier attempt had not committed is there too: the next one starts from it.
        checkpoints = {f"buildd: {job.title}"}
        checkpoints |= {f"buildd: the unfinished work of {each.id}" for each in workers}
        assert commits
        assert {*commits} <= {f"Make {job.function} work", *checkpoints}
        git(directory, "worktree", "add", "--force", f"../check/{job.function}", worker.branch)
        subprocess.run(
            [sys.executable, "-m", "unittest", f"test_till.TestTill.test_{job.function}"],
            cwd=directory / "check" / job.function,
            check=True,
            capture_output=True,
        )
    assert git(directory, "branch", "--show-current") == "main"
    assert git(directory, "status", "--porcelain") == ""


def test_it_runs_to_its_end_on_an_empty_machine(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as running:
        running.ends_well()
    check_work(running.directory)
    with buildd.connect(f"sqlite:///{running.directory}/buildd.db") as bd:
        types = {account.id: account.type.value for account in bd.accounts.list()}
    for task, [worker] in attempts(running.directory).values():
        if task.runner_preference is not RunnerPreference.ANY:
            assert types[worker.account_id] == task.runner_preference.value
    assert not (running.directory / "processes.json").exists()


def test_it_opens_the_dashboard_for_who_sits_at_a_screen_and_leaves_it_open(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\nprintf %s "$1" > "$0.url"\n')
    browser.chmod(0o755)
    mine, theirs = pty.openpty()
    screen = {"DISPLAY": ":99", "BROWSER": f"{browser} %s", "TERM": "dumb"}
    with demo(tmp_path / "demo", screen, stdout=theirs) as running, os.fdopen(mine, "rb") as seen:
        os.close(theirs)
        for line in seen:
            if b"stays at" in line:
                break
        url = Path(f"{browser}.url").read_text()
        with buildd.connect(url) as bd:
            assert {task.status for task in bd.tasks.list()} == {TaskStatus.COMPLETED}
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        # A terminal that nobody writes to any more answers with an error, not with an end.
        with suppress(OSError):
            seen.read()
        assert running.process.wait() == 0
    assert not (running.directory / "processes.json").exists()


def test_a_kill_of_the_server_and_of_an_agent_loses_nothing(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as running:
        running.reads("rewrote")
        parts = running.parts()
        parts["agent-laptop"].kill()
        parts["server"].kill()
        running.ends_well()
    check_work(running.directory)
    assert "agent-laptop was killed" in running.said
    assert "server was killed" in running.said


def test_a_demo_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as running:
        running.reads("has done")
        parts = running.parts()
        running.process.kill()
    with demo(tmp_path / "demo") as again:
        again.ends_well()
    assert "Going on" in again.said
    check_work(again.directory)
    assert not any(part.is_running() for part in parts.values())


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("years of work")
    with demo(tmp_path / "demo") as running:
        running.reads("holds something that is not a demo's")
        assert running.process.wait() == 2
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "years of work"


def test_a_full_disk_is_told_with_its_place(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "demo.json").write_text('{"ready": true}')
    (directory / "processes.new").symlink_to("/dev/full")
    with demo(directory) as running:
        running.reads(f"error: {directory}: No space left on device")
        assert running.process.wait() == 5


@pytest.mark.parametrize("port", ["0", "x"])
def test_a_wrong_port_is_one_clear_line(port: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("buildd"), "demo", "--port", port],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
