"""What a command prints, on its way to being messages: whole lines, in batches, up to a limit.

A line that begins with a word only this attempt knows is no message but for the agent. The word is
new each time, so that no text of a task, printed by the command, can pass for such a line.
"""

from __future__ import annotations

import codecs
import json
import logging
import re
import secrets
from collections import deque
from decimal import Decimal
from typing import Any

from buildd.budget import rounded_up
from buildd.clock import elapsed
from buildd.models import Role
from buildd.redaction import RedactedStream
from buildd.roles import Session
from buildd.text import one_line
from buildd_runners.telling import TOOL
from buildd_runners.templates import Template, ToolUse

log = logging.getLogger(__name__)

_MESSAGE = 32_000
"""Characters of one message."""
_TOTAL = 1_000_000
"""Characters that one attempt may say; what follows is dropped, and that is said."""
_LINE = 8_000
"""Characters of a line that is kept whole; a longer one is broken."""
_EVENT = 1_000_000
"""The same for a program whose lines are JSON; a longer one is not shown."""
_TAIL = 60
_TAIL_LINE = 500
_TOO_DEEP = "… it is nested too deep to be shown …"
_MORE = "… there is more output; it is not shown …"

_PROGRESS = re.compile(r" progress=(100|\d{1,2})\s*", re.ASCII)
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")


class Output:
    """Collects bytes and says lines."""

    def __init__(self, session: Session, template: Template | None = None) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.control = f"::buildd:{secrets.token_hex(8)}"
        self._session = session
        self._template = template if template and template.rules else None
        self._longest = _EVENT if self._template else _LINE
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stream = RedactedStream(session.redactor)
        self._partial = ""
        self._broken = False
        self._heard: list[str] = []
        self._unsaid = ""
        self._waiting: list[str | ToolUse] = []
        self._size = 0
        self._said = 0
        self._totals: dict[str, Any] = {}
        self._cost = Decimal(0)
        self._turns = 0
        self._flushed = elapsed()

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, self._partial = (self._partial + self._decoder.decode(data)).split("\n")
        for line in lines:
            self._take(line)
        while len(self._partial) > self._longest:
            self._take(self._partial[: self._longest], ended=False)
            self._partial = self._partial[self._longest :]
        self._pass()

    def _take(self, raw: str, *, ended: bool = True) -> None:
        goes_on, self._broken = self._broken, not ended
        # Of a line that was drawn over, as progress bars are, the last state counts.
        line = _TERMINAL.sub("", raw.rstrip("\r").rpartition("\r")[2])
        if line.startswith(self.control):
            self._obey(line.removeprefix(self.control))
        elif self._template is None:
            self._hear(f"{line}\n" if ended else line)
        elif ended and not goes_on:
            self._read(self._template, line)
        elif not goes_on:
            self._hear("… a line that is too long is not shown …\n")

    def _obey(self, order: str) -> None:
        progress = _PROGRESS.fullmatch(order)
        if progress:
            self._totals["progress"] = int(progress[1])
        else:
            log.warning("ignored, as progress is 0 to 100: %s", one_line(order, 100))

    def _read(self, template: Template, line: str) -> None:
        """Take a line for what the template says of it, or for plain text."""
        event = template.read(line)
        if event is None:
            self._hear(f"{line}\n")
            return
        if not event.joined:
            self._end_line()
        if event.text:
            self._hear(event.text if event.joined else f"{event.text}\n")
        if event.tool:
            self._show(event.tool)
        self._cost += event.cost
        self._turns += event.turns
        if event.cost or event.turns:
            self._totals |= {"cost_usd": rounded_up(self._cost), "turns": self._turns}

    def _hear(self, text: str) -> None:
        self._heard.append(text)

    def _pass(self) -> None:
        """Look for secrets in all that was read at once: line by line it would stop the agent."""
        heard, self._heard = self._heard, []
        if heard:
            self._collect(self._stream.feed("".join(heard)))

    def _end_line(self) -> None:
        """Let nothing wait for its continuation."""
        self._pass()
        self._collect(self._stream.close())
        if self._unsaid:
            self._collect("\n")

    def _collect(self, text: str) -> None:
        *lines, self._unsaid = (self._unsaid + text).split("\n")
        while len(self._unsaid) > _LINE:
            lines.append(self._unsaid[:_LINE])
            self._unsaid = self._unsaid[_LINE:]
        for line in lines:
            self.tail.append(line[:_TAIL_LINE])
            self._add(line, len(line) + 1)

    def _show(self, tool: ToolUse) -> None:
        given, got = (self._cut(value) for value in (tool.input, tool.output))
        use = ToolUse(one_line(tool.name, 100), given, got)
        self._add(use, len(json.dumps([given, got])))

    def _cut(self, value: Any) -> Any:
        try:
            clean = self._session.redactor.redact_json(value)
            text = clean if isinstance(clean, str) else json.dumps(clean, ensure_ascii=False)
        except RecursionError:
            return _TOO_DEEP
        return clean if len(text) <= TOOL else f"{text[:TOOL]}…"

    def _add(self, item: str | ToolUse, size: int) -> None:
        if self._said > _TOTAL:
            return
        self._waiting.append(item)
        self._size += size
        self._said += size
        if self._said > _TOTAL:
            self._waiting.append(_MORE)

    def due(self, seconds: float) -> bool:
        """Whether it is time to say what was collected."""
        return self._size >= _MESSAGE or elapsed() - self._flushed >= seconds

    async def flush(self, *, final: bool = False) -> None:
        """Say what was collected; `final`: even a line without its end."""
        if final:
            if self._partial:
                self._take(self._partial)
                self._partial = ""
            self._end_line()
        if self._totals:
            totals, self._totals = self._totals, {}
            await self._session.report(**totals)
        waiting, self._waiting = self._waiting, []
        self._size, self._flushed = 0, elapsed()
        lines: list[str] = []
        for item in waiting:
            if isinstance(item, ToolUse):
                await self._say(lines)
                lines = []
                await self._say_tool(item)
            else:
                lines.append(item)
        await self._say(lines)

    async def _say(self, lines: list[str]) -> None:
        text = "\n".join(lines)
        for start in range(0, len(text), _MESSAGE):
            part = text[start : start + _MESSAGE]
            if part.strip():
                await self._session.say(part, role=Role.ASSISTANT)

    async def _say_tool(self, tool: ToolUse) -> None:
        await self._session.say(
            tool.name,
            role=Role.TOOL,
            tool_name=tool.name,
            tool_input=tool.input,
            tool_output=tool.output,
        )
