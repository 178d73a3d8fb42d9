"""Plugins that look on: what they are promised, and that nothing they do reaches the server."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue

import pytest

import buildd
from buildd.broker import ADMIN, Broker
from buildd.events import Event
from buildd.operations import BatchedTask, CreateTasks, CreateWorkspace
from buildd.plugins import Observer
from buildd_server.observing import observed

SOON = 60
PLUGIN = """\
from pathlib import Path
from buildd.plugins import hookimpl

@hookimpl
def task_event(event):
    if event.type == "task:created":
        with Path("heard").open("a") as file:
            file.write(event.data["title"] + "\\n")
        raise RuntimeError("the disk is\\nfull")
"""


def workspace(broker: Broker) -> str:
    return broker.execute(CreateWorkspace(name="shop"), ADMIN).id


def create(broker: Broker, where: str, count: int) -> list[str]:
    """The ids of that many new tasks."""
    made: list[str] = []
    while count > len(made):
        batch = [
            BatchedTask(workspace_id=where, title="Mine")
            for _ in range(min(500, count - len(made)))
        ]
        made += [task.id for task in broker.execute(CreateTasks(tasks=batch), ADMIN)]
    return made


def heard(queue: Queue[Event], count: int) -> list[str | None]:
    return [queue.get(timeout=SOON).task_id for _ in range(count)]


def test_every_event_is_heard_once_in_its_order(broker: Broker) -> None:
    where = workspace(broker)
    before = create(broker, where, 1)
    queue: Queue[Event] = Queue()
    with observed(broker, [Observer("ear", queue.put)]):
        made = create(broker, where, 20)
        assert heard(queue, 20) == made
    create(broker, where, 1)
    assert queue.empty()
    assert before[0] not in made


def test_one_that_blocks_holds_nobody_up_and_misses_nothing(broker: Broker) -> None:
    where = workspace(broker)
    go_on, slow, quick = threading.Event(), Queue[Event](), Queue[Event]()

    def block(event: Event) -> None:
        go_on.wait(SOON)
        slow.put(event)

    with observed(broker, [Observer("slow", block), Observer("quick", quick.put)]):
        made = create(broker, where, 2500)
        assert heard(quick, 2500) == made
        assert slow.empty()
        go_on.set()
        assert heard(slow, 2500) == made


@pytest.mark.parametrize("failure", [RuntimeError("the disk is\nfull"), SystemExit(3)])
def test_one_that_fails_is_one_line_and_hears_the_next(
    broker: Broker, failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    where, queue, others = workspace(broker), Queue[Event](), Queue[Event]()

    def fail(event: Event) -> None:
        queue.put(event)
        raise failure

    with observed(broker, [Observer("rough", fail), Observer("fine", others.put)]):
        made = create(broker, where, 3)
        assert heard(queue, 3) == made
        assert heard(others, 3) == made
    said = " ".join(str(failure).split())
    [line] = [each.getMessage() for each in caplog.records if each.name == "buildd.plugins"]
    kind = type(failure).__name__
    assert line == f"the plugin 'rough' fails at event task:created: {kind}: {said}"


def test_it_listens_again_from_where_it_was(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildd_server.observing.AGAIN_SECONDS", 0)
    where, queue = workspace(broker), Queue[Event]()
    with observed(broker, [Observer("ear", queue.put)]):
        made = create(broker, where, 3)
        assert heard(queue, 3) == made
        for listener in broker._feed.listeners():
            listener.fail(buildd.Unavailable("the database is away"))
        made = create(broker, where, 3)
        assert heard(queue, 3) == made


def test_a_stop_does_not_wait_for_one_that_never_returns(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildd_server.observing.CLOSE_SECONDS", 0)
    where, called, never = workspace(broker), threading.Event(), threading.Event()

    def block(_: Event) -> None:
        called.set()
        never.wait()

    with observed(broker, [Observer("stuck", block)]):
        create(broker, where, 1)
        assert called.wait(SOON)
    never.set()


def test_a_server_tells_the_plugins_that_are_installed(tmp_path: Path) -> None:
    info = tmp_path / "site" / "pager-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pager\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[buildd.plugins]\npager = pager\n")
    (info.parent / "pager.py").write_text(PLUGIN)
    source = Path(buildd.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "buildd_server", "--port", "0"],
        cwd=tmp_path,
        env={
            "PYTHONPATH": f"{info.parent}:{source}",
            "PATH": "",
            "HOME": str(tmp_path),
            "BUILDD_LOG_FORMAT": "text",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        address = next(word for word in process.stdout.readline().split() if "://" in word)
        with buildd.connect(address) as bd:
            where = bd.workspaces.create(name="shop").id
            task = bd.tasks.create(workspace_id=where, title="Ring")
            # The line in the log says that it was told; only then is it time to stop.
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            line = next(each for each in lines if "pager" in each)
            assert bd.tasks.get(id=task.id) == task
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) == 0
    assert line.endswith("'pager' fails at event task:created: RuntimeError: the disk is full\n")
    assert (tmp_path / "heard").read_text() == "Ring\n"
