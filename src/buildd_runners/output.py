"""What a command prints, on its way to being messages: whole lines, in batches, up to a limit.

A line that begins with a word only this attempt knows is no message but for the agent. The word is
new each time, so that no text of a task, printed by the command, can pass for such a line.
"""

from __future__ import annotations

import codecs
import logging
import re
import secrets
from collections import deque

from buildd.agent.text import one_line
from buildd.clock import elapsed
from buildd.models import Role
from buildd.roles import Session

log = logging.getLogger(__name__)

_MESSAGE = 32_000
"""Characters of one message."""
_TOTAL = 1_000_000
"""Characters that one attempt may say; what follows is dropped, and that is said."""
_LINE = 8_000
"""Characters of a line that is kept whole; a longer one is broken."""
_TAIL = 60
_TAIL_LINE = 500

_PROGRESS = re.compile(r" progress=(100|\d{1,2})\s*", re.ASCII)
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")


class Output:
    """Collects bytes and says lines."""

    def __init__(self, session: Session) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.control = f"::buildd:{secrets.token_hex(8)}"
        self._session = session
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial = ""
        self._lines: list[str] = []
        self._size = 0
        self._said = 0
        self._progress: int | None = None
        self._flushed = elapsed()

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, self._partial = (self._partial + self._decoder.decode(data)).split("\n")
        for line in lines:
            self._take(line)
        while len(self._partial) > _LINE:
            self._take(self._partial[:_LINE])
            self._partial = self._partial[_LINE:]

    def _take(self, raw: str) -> None:
        # Of a line that was drawn over, as progress bars are, the last state counts.
        line = _TERMINAL.sub("", raw.rstrip("\r").rpartition("\r")[2])
        if line.startswith(self.control):
            self._obey(line.removeprefix(self.control))
            return
        self.tail.append(line[:_TAIL_LINE])
        if self._said <= _TOTAL:
            self._lines.append(line)
            self._size += len(line) + 1
            self._said += len(line) + 1
            if self._said > _TOTAL:
                self._lines.append("… there is more output; it is not shown …")

    def _obey(self, order: str) -> None:
        progress = _PROGRESS.fullmatch(order)
        if progress:
            self._progress = int(progress[1])
        else:
            log.warning("ignored, as progress is 0 to 100: %s", one_line(order, 100))

    def due(self, seconds: float) -> bool:
        """Whether it is time to say what was collected."""
        return self._size >= _MESSAGE or elapsed() - self._flushed >= seconds

    async def flush(self, *, final: bool = False) -> None:
        """Say what was collected; `final`: even a line without its end."""
        if final and self._partial:
            self._take(self._partial)
            self._partial = ""
        if self._progress is not None:
            await self._session.report(progress=self._progress)
            self._progress = None
        text = "\n".join(self._lines)
        self._lines, self._size, self._flushed = [], 0, elapsed()
        for start in range(0, len(text), _MESSAGE):
            part = text[start : start + _MESSAGE]
            if part.strip():
                await self._session.say(part, role=Role.ASSISTANT)
