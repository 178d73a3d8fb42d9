"""The conversation as the API needs it back, word for word, kept on disk through a pause or a crash.

One line of JSON for each message, only ever appended, and before them one that says for which model:
a model's thoughts mean nothing to another.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_NAME = "claude.jsonl"


class Transcript:
    """The messages of one attempt's conversation so far."""

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self.messages: list[Any] = []

    @classmethod
    def load(cls, directory: Path, model: str) -> Transcript:
        """What was kept there for this model; an empty one if there is nothing.

        A last line that was not written to its end is dropped.
        """
        transcript = cls(directory / _NAME, model)
        lines = _lines(transcript._path)
        if lines and lines[0] == {"model": model}:
            transcript.messages = lines[1:]
        transcript._rewrite()
        return transcript

    @property
    def unanswered(self) -> list[str]:
        """The ids of the tool calls at its end that have no result yet."""
        last = self.messages[-1] if self.messages else {}
        if last.get("role") != "assistant":
            return []
        return [block["id"] for block in last["content"] if block.get("type") == "tool_use"]

    def append(self, message: dict[str, Any]) -> None:
        """Take a message and keep it."""
        self.messages.append(message)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(message))

    def _rewrite(self) -> None:
        new = self._path.with_suffix(".new")
        new.write_text("".join(map(_line, [{"model": self._model}, *self.messages])), "utf-8")
        new.replace(self._path)


def _line(value: dict[str, Any]) -> str:
    return f"{json.dumps(value)}\n"


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = text.splitlines()
    try:
        return [json.loads(line) for line in whole]
    except ValueError:
        return [json.loads(line) for line in whole[:-1]]
