"""Events as a person reads them, and a reader that can be asked whether there is more."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from buildd.cli._render import money

if TYPE_CHECKING:
    from buildd.events import Event


class Reader:
    """Reads events in the background, because the feed itself never ends."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._arrived: queue.Queue[Event | BaseException] = queue.Queue()
        threading.Thread(target=self._read, name="buildd-events", daemon=True).start()

    def next(self, seconds: float) -> Event | None:
        """The next event, or None if none comes in time. Raises what the feed raised."""
        try:
            arrived = self._arrived.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(arrived, BaseException):
            raise arrived
        return arrived

    def _read(self) -> None:
        try:
            for event in self._events:
                self._arrived.put(event)
        except BaseException as problem:  # noqa: BLE001 - handed to the thread that asks
            self._arrived.put(problem)


def line_of(event: Event) -> str:
    """An event in one line: when, what, about which thing, and the gist of it."""
    about = event.worker_id or event.task_id or event.account_id or event.workspace_id or ""
    return (
        f"{event.seq:>6}  {event.at:%H:%M:%S}  {event.type.value:<16}  {about:<30}  {gist(event)}"
    )


def gist(event: Event) -> str:
    """What an event says, shortly."""
    data: dict[str, Any] = dict(event.data)
    told = _GISTS.get(event.type.value.partition(":")[2])
    return (told(data) if told else "") or _either(data)


def _either(data: dict[str, Any]) -> str:
    if "previousStatus" in data:
        return f"{data['previousStatus']} → {data.get('status', 'cancelled')}"
    if "title" in data:
        return str(data["title"])
    return json.dumps(data, ensure_ascii=False) if data else ""


def _progress(data: dict[str, Any]) -> str:
    return f"{data.get('progress', 0)} %, {data.get('turns', 0)} turns"


def _waiting(data: dict[str, Any]) -> str:
    waiting = data.get("waitingFor")
    return f"asks: {waiting.get('prompt', '')}" if isinstance(waiting, dict) else ""


_GISTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "progress": _progress,
    "waiting": _waiting,
    "cost": lambda data: money(data.get("costUsd") or 0),
    "message": lambda data: f"{data.get('role', '')}: {data.get('content') or ''}",
    "artifact": lambda data: f"{data.get('type', '')} {data.get('title') or ''}",
    "comment": lambda data: str(data.get("content") or ""),
    "error": lambda data: f"{data.get('errorCode') or 'failed'}: {data.get('error') or ''}",
    "completed": lambda data: f"{money(data.get('costUsd') or 0)}, {data.get('turns', 0)} turns",
}
