"""What the demo shows while it runs: a live table on a terminal, a line for each step elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from buildd.events import Event, EventType
from buildd.models import Role, Task
from buildd.states import CLOSED, TaskStatus, WorkerStatus
from buildd_server.demo.shop import JOBS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

RECENT = 8
COLOURS = {
    TaskStatus.PENDING: "dim",
    TaskStatus.ASSIGNED: "cyan",
    TaskStatus.RUNNING: "yellow",
    TaskStatus.COMPLETED: "green",
    TaskStatus.FAILED: "red",
    TaskStatus.CANCELLED: "red",
}


@dataclass
class Row:
    """One task as the board shows it."""

    title: str
    routing: str
    status: TaskStatus = TaskStatus.PENDING
    by: str = ""
    note: str = ""


class Board:
    """Follows the events, knows when all is over, and tells it as it goes."""

    def __init__(self, address: str, tasks: list[Task], accounts: Mapping[str, str]) -> None:
        routing = {job.title: job.routing for job in JOBS}
        self._rows = {task.id: Row(task.title, routing[task.title]) for task in tasks}
        self._address = address
        self._accounts = accounts
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._live: Live | None = None

    def show(self) -> AbstractContextManager[Any]:
        """Keep the table on the screen while the block runs, if there is a screen."""
        from rich.console import Console
        from rich.live import Live

        console = Console()
        if not console.is_terminal:
            return nullcontext()
        live = self._live = Live(get_renderable=self._table, console=console, refresh_per_second=8)
        return live

    @property
    def over(self) -> bool:
        """Whether no task has anything left to happen to it."""
        return all(row.status in CLOSED for row in self._rows.values())

    def say(self, sentence: str, at: datetime | None = None) -> None:
        """Tell one step, and when it happened if that was not now."""
        line = f"{(at or datetime.now(UTC)).astimezone():%H:%M:%S}  {sentence}"
        self._recent.append(line)
        if self._live is None:
            click.echo(line)

    def note(self, event: Event) -> None:
        """Take in one event."""
        row = self._rows.get(event.task_id or "")
        if row is None:
            return
        who = self._accounts.get(event.account_id or "", row.by)
        match event.type:
            case EventType.TASK_UPDATED if event.data["status"] != TaskStatus.COMPLETED:
                row.status = TaskStatus(str(event.data["status"]))
            case EventType.TASK_CANCELLED:
                row.status = TaskStatus.CANCELLED
            case EventType.WORKER_STATUS if event.data["status"] == WorkerStatus.STARTING:
                row.by = who
                self.say(f"{who} takes {row.title!r}", event.at)
            case EventType.WORKER_MESSAGE if event.data["role"] == Role.ASSISTANT:
                for row.note in str(event.data["content"]).strip().splitlines():
                    self.say(f"{who}: {row.note}", event.at)
            case EventType.WORKER_COMPLETED:
                row.status, row.note = TaskStatus.COMPLETED, ""
                self.say(f"{who} has done {row.title!r}", event.at)
            case EventType.WORKER_ERROR:
                row.by, row.note = "", f"goes back: {event.data.get('error')}"
                self.say(f"{row.title!r} {row.note}", event.at)
            case _:
                pass

    def _table(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(title=f"buildd demo · {self._address}/api/docs", title_justify="left")
        for column in ("task", "for", "status", "by", ""):
            table.add_column(column)
        for row in self._rows.values():
            status = Text(row.status.value, style=COLOURS[row.status])
            table.add_row(row.title, row.routing, status, row.by, Text(row.note, style="dim"))
        return Group(table, *(Text(line, style="dim") for line in self._recent))
