"""What agents and creators say happened to them, kept line by line so that it survives their death."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Note:
    """One thing that somebody was told by the broker."""

    what: str
    """`created`, `claimed`, `completed`, `cancelled`, `lease_lost`"""
    task: str
    worker: str = ""
    epoch: int = 0
    process: int = 0
    at: float = 0
    """Seconds since 1970."""


class History:
    """A file that many processes append to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def add(self, what: str, task: str, worker: str = "", epoch: int = 0) -> None:
        """Note it, with one write: all of a line or none of it."""
        note = Note(what, task, worker, epoch, os.getpid(), time.time())
        os.write(self._file, json.dumps(asdict(note)).encode() + b"\n")

    def read(self) -> list[Note]:
        """Everything noted so far."""
        return [Note(**json.loads(line)) for line in self._path.read_text().splitlines()]
