"""The demo from its first process to its last word."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

import buildd
from buildd.client import Client
from buildd.errors import BuilddError, ConfigError, Unavailable
from buildd.events import Event
from buildd.models import Task, Worker
from buildd.states import TaskStatus, WorkerStatus
from buildd_server.demo import shop
from buildd_server.demo.board import Board
from buildd_server.demo.play import Stage
from buildd_server.demo.processes import Part, Processes, stop_leftovers

DEFAULT_PORT = 3000
START_SECONDS = 30.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Ending:
    """How the demo ended, in lines for people."""

    lines: list[str]
    complete: bool


def run(directory: Path, port: int | None) -> Ending:
    """Play the demo in a directory. Raises the `BuilddError` that keeps it from that."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _alone(directory):
        stop_leftovers(directory)
        stage = Stage(directory)
        resumed = stage.set_up()
        click.echo(f"{'Going on' if resumed else 'Beginning'} in {directory}")
        processes = Processes(directory)
        try:
            _play(stage, processes, _choose_port(port))
            return _ending(stage, processes, began)
        finally:
            processes.stop()


def _play(stage: Stage, processes: Processes, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    server = stage.server(port)
    processes.start(server)
    with buildd.connect(url) as client:
        _wait_for(client, processes, server)
        if not stage.play.ready:
            stage.write(client)
        tasks = [client.tasks.get(id=each) for each in stage.play.task_ids]
        click.echo(f"Watch it at {url}; its API is at {url}/api/docs")
        board = Board(url, tasks, stage.play.accounts)
        for agent in stage.agents(url):
            processes.start(agent)
        opened = _open(url)
        with board.show():
            _watch(board, _events(url), processes)
    stage.play.over = True
    stage.save()
    if opened:
        _stay(url)


def _open(url: str) -> bool:
    """Open the dashboard, if somebody sits in front of a screen."""
    screen = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    return bool(screen) and sys.stdout.isatty() and webbrowser.open(url)


def _stay(url: str) -> None:
    """Leave the server to whoever reads the dashboard, until they have seen enough."""
    with contextlib.suppress(KeyboardInterrupt):
        # Who reads this may press before the call is over.
        click.echo(f"All done. The dashboard stays at {url} until you press Ctrl-C.")
        while True:  # not `pause`, which sleeps on after a signal that came just before it
            time.sleep(LOOK_SECONDS)


def _watch(board: Board, events: queue.Queue[Event], processes: Processes) -> None:
    """Show what happens, and keep everything running, until there is nothing left to do."""
    while not board.over:
        with contextlib.suppress(queue.Empty):
            board.note(events.get(timeout=LOOK_SECONDS))
        for part in processes.restart_dead():
            board.say(f"{part.name} was killed: started it again")


def _events(url: str) -> queue.Queue[Event]:
    """Everything since the demo began, read aside so that watching the processes never waits."""
    received: queue.Queue[Event] = queue.Queue()

    def read() -> None:
        after = 0
        while True:
            with contextlib.suppress(BuilddError), buildd.connect(url) as client:
                for event in client.events(after):
                    received.put(event)
                    after = event.seq
            time.sleep(LOOK_SECONDS)

    threading.Thread(target=read, daemon=True).start()
    return received


def _wait_for(client: Client, processes: Processes, server: Part) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client.workspaces.list(limit=1)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            if server.process is not None and server.process.poll() is not None:
                raise Unavailable(f"the server ended: {processes.last_words(server)}") from None
        else:
            return


def _ending(stage: Stage, processes: Processes, began: float) -> Ending:
    processes.stop()
    with buildd.connect(f"sqlite:///{stage.database}") as client:
        tasks = [client.tasks.get(id=each) for each in stage.play.task_ids]
        attempts = {task.id: client.workers.list(task_id=task.id) for task in tasks}
    done = sum(task.status is TaskStatus.COMPLETED for task in tasks)
    return Ending(
        [
            "",
            *(line for task in tasks for line in _told(stage, task, attempts[task.id])),
            "",
            f"{done} of {len(tasks)} tasks done in {time.monotonic() - began:.0f} seconds.",
            f"  the branches   git -C {stage.shop} log --oneline --graph --all",
            f"  the history    buildd tasks list --server sqlite:///{stage.database}",
            f"  the server     buildd server --database sqlite:///{stage.database}",
        ],
        complete=done == len(tasks),
    )


def _told(stage: Stage, task: Task, attempts: list[Worker]) -> Iterator[str]:
    """What became of a task, in two or three lines."""
    worker = next((each for each in attempts if each.status is WorkerStatus.COMPLETED), None)
    if worker is None:
        yield f"✗ {task.title}: {task.status.value}, {task.error}"
        return
    lost = f", at attempt {len(attempts)}" if len(attempts) > 1 else ""
    yield f"✓ {task.title}: {stage.play.accounts[worker.account_id]}{lost}"
    yield f"    {worker.branch}"
    yield f"    {shop.last_commit(stage.shop, worker.branch) or 'nothing was committed'}"


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the directory against a second demo while the block runs."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f".{directory.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another demo is running in {directory}") from None
        yield


def _choose_port(wanted: int | None) -> int:
    """The port that was asked for; else the usual one, or a free one where it is taken."""
    for port in (wanted,) if wanted else (DEFAULT_PORT, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as listener:
            found: int = listener.getsockname()[1]
            return found
    raise ConfigError(f"port {wanted} is in use: choose another with --port")
