"""What a program is told of its task: files beside the work directory, where nobody commits them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildd.models import Message, Role, Task
from buildd.roles import Session

_TRANSCRIPT = 50_000
"""Characters of what was said before that a prompt repeats, its end."""
_WHO = {
    Role.USER: "A person",
    Role.ASSISTANT: "You",
    Role.SYSTEM: "The system",
    Role.TOOL: "A tool",
}

_PEOPLE = """\
## People

If you need a decision that only a person can make, run
`buildd agent ask "Your question" --option "one" --option "another"`. It waits, perhaps for long, and
prints the answer. `buildd agent messages` prints what people have said to you since, or nothing."""


@dataclass(frozen=True)
class Brief:
    """The files of one attempt."""

    prompt: Path
    task: Path
    result: Path
    """Where the program may leave a result."""

    @property
    def environment(self) -> Mapping[str, str]:
        """How the program finds them."""
        return {
            "BUILDD_TASK_FILE": str(self.prompt),
            "BUILDD_TASK_JSON": str(self.task),
            "BUILDD_RESULT_FILE": str(self.result),
        }


async def write_brief(session: Session, *, may_ask: bool) -> Brief:
    """Write the files; `may_ask`: tell the program, a model's, how to reach people."""
    brief = Brief(*(session.scratch / name for name in ("task.md", "task.json", "result.json")))
    parts = [
        *described(session.task),
        *_past(await session.history()),
        *([_PEOPLE] if may_ask else []),
    ]
    brief.prompt.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    brief.task.write_text(session.task.model_dump_json(indent=2), encoding="utf-8")
    return brief


def described(task: Task) -> list[str]:
    """The task in words, in paragraphs."""
    parts = [f"# {task.title}"]
    if task.description:
        parts.append(task.description)
    if task.context:
        context = json.dumps(task.context, indent=2, ensure_ascii=False)
        parts.append(f"## Context\n\n```json\n{context}\n```")
    return parts


def _past(history: Sequence[Message]) -> list[str]:
    """What was said before a pause, or in earlier attempts: the program knows nothing of it."""
    said = [f"{_WHO[each.role]}: {each.content}" for each in history if each.content]
    if not said:
        return []
    text = "\n\n".join(said)
    if len(text) > _TRANSCRIPT:
        text = f"…{text[-_TRANSCRIPT:]}"
    return ["## Before\n\nThis was worked on before, and not finished. What was said then:", text]
