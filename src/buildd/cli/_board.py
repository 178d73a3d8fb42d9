"""What an agent shows of its work: below the log on a terminal, else as lines in the log."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from buildd.cli import _render
from buildd.clock import duration
from buildd.text import one_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from buildd.agent import Agent
    from buildd.agent.progress import Standing

REFRESH_SECONDS = 1.0
"""How often what a terminal shows is drawn anew."""
TOLD_SECONDS = 60.0
"""How often a log without a terminal tells of what runs, and how long that must have run."""
_WAITING = 10_000
"""Lines that wait at most for a terminal which stands still; more are dropped."""
_LAST_DRAWING = 2.0
_UNSHOWN = "backslashreplace"
"""What becomes of a letter that the terminal cannot show."""

_COLUMNS = (
    _render.Column("FOR", lambda each: duration(each.seconds), rank=1),
    _render.Column("PROGRESS", lambda each: _render.bar(each.progress), rank=3),
    _render.Column("COST", lambda each: _render.money(each.cost_usd), rank=2),
    _render.Column("TASK", lambda each: each.title, shrinks=True),
    _render.Column("LAST LINE", lambda each: each.line, shrinks=True, rank=4),
)


async def show(agent: Agent) -> None:
    """Show what an agent does, until cancelled."""
    import anyio

    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with Board(logging.getLogger("buildd"), agent.running):
            await anyio.sleep_forever()
    while True:
        await anyio.sleep(TOLD_SECONDS)
        tell(agent.running())


def tell(running: Sequence[Standing]) -> None:
    """Log how attempts stand that have run for a while."""
    for each in running:
        if each.seconds >= TOLD_SECONDS:
            logging.getLogger("buildd").info(
                "%s running for %s, %d %%, %s: %s%s",
                each.task_id,
                duration(each.seconds),
                each.progress,
                _render.money(each.cost_usd),
                one_line(each.title, 60),
                f": {each.line}" if each.line else "",
            )


class Board(logging.Handler):
    """Takes a logger's place on the terminal, and draws what runs below its lines.

    A thread of its own does so: a terminal that stands still must not hold up the agent, whose
    leases would run out.
    """

    def __init__(self, log: logging.Logger, running: Callable[[], Sequence[Standing]]) -> None:
        super().__init__()
        self._log = log
        self._handlers = log.handlers[:]
        self._running = running
        self._lines: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._draw, name="buildd-board", daemon=True)
        if self._handlers:
            self.setFormatter(self._handlers[0].formatter)

    def __enter__(self) -> Self:
        self._thread.start()
        self._log.handlers[:] = [self]
        return self

    def __exit__(self, *_: object) -> None:
        self._put(None)
        self._thread.join(_LAST_DRAWING)
        self._log.handlers[:] = self._handlers

    def emit(self, record: logging.LogRecord) -> None:
        """Put a line above what runs."""
        self._put(self.format(record))

    def _put(self, line: str | None) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            return

    def _draw(self) -> None:
        from rich.console import Console

        try:
            # A file of its own: the interpreter could not end while this thread stands still in its.
            own = os.dup(sys.stderr.fileno())
            with os.fdopen(own, "w", encoding=sys.stderr.encoding, errors=_UNSHOWN) as out:
                self._draw_on(Console(file=out, markup=False, highlight=False, emoji=False))
        except OSError:  # The terminal is gone, and with it whoever would look.
            self._handlers = [logging.NullHandler()]
        finally:
            self._log.handlers[:] = self._handlers

    def _draw_on(self, console: Console) -> None:
        from rich.live import Live

        drawn: Sequence[Standing] = ()
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while self._print_next(console):
                before, drawn = drawn, self._running()
                if before or drawn:
                    live.update(view(drawn, console.width), refresh=True)

    def _print_next(self, console: Console) -> bool:
        """Print the next line, if one comes in time; False after the last one."""
        from rich.text import Text

        try:
            line = self._lines.get(timeout=REFRESH_SECONDS)
        except queue.Empty:
            return True
        if line is not None:
            console.print(Text(line), soft_wrap=True)
        return line is not None


def view(running: Sequence[Standing], width: int) -> RenderableType:
    """What runs, a line for each attempt; nothing if nothing does."""
    from rich.console import Group

    return _render.table_of(running, _COLUMNS, width) if running else Group()
