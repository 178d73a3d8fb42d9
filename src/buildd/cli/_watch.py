"""`watch`: one task until it ends, or all of them, live in a terminal or as lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from buildd.cli import _feed, _render
from buildd.cli._exits import ExitCode, printable
from buildd.events import Event, EventType
from buildd.states import CLOSED, TaskStatus

if TYPE_CHECKING:
    from rich.console import RenderableType

    from buildd.cli._verb import Session
    from buildd.client import Client
    from buildd.models import Task, Worker

LINES = 8
"""How many of the last lines a live view shows."""
REFRESH_SECONDS = 5.0
"""How long the view of all tasks may stand without being read anew."""
PACE_SECONDS = 0.25
"""The shortest time between two readings of it."""
MAX_ROWS = 30
_FIGURES = {EventType.WORKER_PROGRESS, EventType.WORKER_COST}
"""What a live view shows as figures, not as lines."""
_ENDINGS = {EventType.TASK_UPDATED, EventType.TASK_CANCELLED, EventType.RESET}


@dataclass
class View:
    """What is known of a task while it is watched; events change it."""

    task: Task
    worker: str = ""
    status: str = ""
    progress: int = 0
    turns: int = 0
    cost: float = 0.0
    question: str = ""
    lines: tuple[str, ...] = ()

    def take(self, event: Event) -> None:
        """Note what an event tells."""
        if event.worker_id and event.worker_id != self.worker:
            self.worker, self.progress, self.turns, self.cost = event.worker_id, 0, 0, 0.0
        self._note(event.type, dict(event.data))
        if event.type not in _FIGURES:
            self.lines = (*self.lines, f"{event.at:%H:%M:%S}  {_feed.gist(event)}")[-LINES:]

    def _note(self, kind: EventType, data: dict[str, Any]) -> None:
        if kind is EventType.WORKER_STATUS:
            self.status = str(data.get("status", ""))
            self.question = self.question if self.status == "waiting_input" else ""
        elif kind is EventType.WORKER_WAITING:
            waiting = data.get("waitingFor")
            self.question = _question(waiting) if isinstance(waiting, dict) else ""
            self.status = "waiting_input"
        elif kind in (EventType.WORKER_COMPLETED, EventType.WORKER_ERROR):
            self.status = "completed" if kind is EventType.WORKER_COMPLETED else "error"
            self.question = ""
        self.progress = data.get("progress", self.progress)
        self.turns = data.get("turns", self.turns)
        self.cost = data.get("costUsd", self.cost)

    def render(self) -> RenderableType:
        """The view as it stands."""
        from rich.console import Group
        from rich.text import Text

        head = _render.cell(self.task.title, "bold") + Text("  ")
        head += _render.cell(self.task.status.value)
        since = _render.age(self.task.created_at)
        rows = [
            head,
            _render.cell(f"{self.task.id}  attempt {self.task.attempt}  for {since}", "dim"),
        ]
        if self.worker:
            figures = (
                f"  {_render.bar(self.progress)}  {self.turns} turns  {_render.money(self.cost)}"
            )
            rows.append(Text(f"{self.worker}  ") + _render.cell(self.status) + Text(figures))
        for line in self.lines:
            row = Text("  ", no_wrap=True, overflow="ellipsis")
            rows.append(row.append_text(_render.cell(line, "dim")))
        if self.question:
            rows.append(_render.cell(f"? {self.question}", "bold yellow"))
            rows.append(Text(f"  {_answer(self.worker)}"))
        return Group(*rows)


def watch_task(session: Session, bd: Client, task_id: str) -> int:
    """Watch one task until it ends; the answer is the exit code that goes with its outcome."""
    view = View(bd.tasks.get(id=task_id))
    if view.task.status not in CLOSED:
        with _shown(view) as show:
            # From the first event on, so that nothing falls between the look and the listening.
            # What is read may be long past: only the task itself tells whether it has ended.
            for event in bd.events(0, task_id=task_id):
                view.take(event)
                if event.type in _ENDINGS:
                    view.task = bd.tasks.get(id=task_id)
                show(event)
                if view.task.status in CLOSED:
                    break
    task = view.task
    error = f": {task.error}" if task.error else ""
    session.said(task, f"{task.id} {task.status.value}{error}")
    return ExitCode.OK if task.status is TaskStatus.COMPLETED else ExitCode.FAILURE


def watch_all(session: Session, bd: Client, workspace: str | None) -> int:
    """Watch all tasks until interrupted."""
    reader = _feed.Reader(bd.events(workspace_id=workspace))
    if session.json or not sys.stdout.isatty():
        while True:
            event = reader.next(REFRESH_SECONDS)
            if event is not None:
                _render.json_line(event) if session.json else _render.line(_feed.line_of(event))
    from rich.live import Live

    with Live(console=_render.console(), auto_refresh=False) as live:
        while True:
            live.update(_overview(bd, workspace, live.console.width), refresh=True)
            _pause(reader)


@contextmanager
def _shown(view: View) -> Iterator[Callable[[Event], None]]:
    """Progress goes to stderr: drawn over and over on a terminal, else a line for each event."""
    if not sys.stderr.isatty():
        yield lambda event: click.echo(_one_line(_feed.line_of(event)), err=True)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    with Live(get_renderable=view.render, console=console, refresh_per_second=4):
        yield lambda _: None


def _pause(reader: _feed.Reader) -> None:
    """Wait until something happens, and then for what happens right after it."""
    event = reader.next(REFRESH_SECONDS)
    until = datetime.now(UTC).timestamp() + PACE_SECONDS
    while event is not None and (left := until - datetime.now(UTC).timestamp()) > 0:
        event = reader.next(left)


def _overview(bd: Client, workspace: str | None, width: int) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    where = {"workspace_id": workspace} if workspace else {}
    tasks = bd.tasks.list(limit=MAX_ROWS, **where)  # type: ignore[arg-type]
    latest: dict[str, Worker] = {}
    for worker in bd.workers.list(limit=200, **where):  # type: ignore[arg-type]
        latest.setdefault(worker.task_id, worker)
    if not tasks:
        return Text("No tasks yet. They appear here as they are created.")
    questions = [
        _render.cell(f"? {worker.waiting_for.prompt}  {_answer(worker.id)}", "yellow")
        for worker in latest.values()
        if worker.waiting_for
    ]
    return Group(
        _render.table_of([(task, latest.get(task.id)) for task in tasks], _ROWS, width), *questions
    )


def _done(worker: Worker | None) -> str:
    return _render.bar(worker.progress) if worker else ""


_ROWS = (
    _render.Column("TASK", lambda row: row[0].id),
    _render.Column("STATUS", lambda row: row[0].status.value, rank=1),
    _render.Column("PROGRESS", lambda row: _done(row[1]), rank=2),
    _render.Column("COST", lambda row: _render.money(row[1].cost_usd) if row[1] else "", rank=4),
    _render.Column("WORKER", lambda row: row[1].status.value if row[1] else "", rank=5),
    _render.Column("AGE", lambda row: _render.age(row[0].created_at), rank=3),
    _render.Column("TITLE", lambda row: row[0].title, shrinks=True),
)


def _question(waiting: dict[str, Any]) -> str:
    options = " / ".join(str(option) for option in waiting.get("options") or ())
    return (
        f"{waiting.get('prompt', '')}  [{options}]" if options else str(waiting.get("prompt", ""))
    )


def _answer(worker_id: str) -> str:
    return f'Answer it: buildd workers answer {worker_id} "…"'


def _one_line(text: str) -> str:
    return " ".join(printable(text).split("\n"))
