"""What the comment on an issue says. Whatever agents and strangers wrote is quoted so that it does nothing.

In a fenced block GitHub renders no Markdown and no HTML, links nothing and notifies nobody; a fence
that is longer than every run of backticks in the text cannot be closed by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from buildd.broker.github_source.comments import ANSWER, MARK
from buildd.routing import Trust
from buildd.states import HELD, TaskStatus, WorkerStatus
from buildd.store import Row

_MOST = 8_000
"""Characters of one quotation; GitHub takes 65,536 in all."""
_LONGEST_NAME = 80
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True)
class State:
    """How a task stands: its row, its last attempt, and what that has made."""

    task: Row
    worker: Row | None
    pull_request: str | None
    summary: str | None


def mark_of(task_id: str, code: str) -> str:
    """What the comment of a task begins with; the code is known to this installation alone."""
    return f"{MARK}{task_id} {code} -->"


def wording(mark: str, state: State) -> str:
    """The whole comment."""
    first, *rest = _lines(state)
    return "\n\n".join([mark, f"**buildd** · `{state.task.id}` · {first}", *rest])


def _lines(state: State) -> Iterator[str]:
    status = TaskStatus(state.task.status)
    if status in HELD and state.worker is not None:
        yield from _held(state.task, state.worker)
    elif status is TaskStatus.PENDING:
        yield from _waiting(state.task)
    else:
        yield {
            TaskStatus.COMPLETED: "completed",
            TaskStatus.FAILED: "failed",
            TaskStatus.CANCELLED: "cancelled",
        }.get(status, status.value)
        if status is TaskStatus.FAILED and state.task.error:
            yield quoted(state.task.error)
    if state.pull_request is not None:
        yield f"Pull request: {state.pull_request}"
    if status is TaskStatus.COMPLETED and state.summary:
        yield quoted(state.summary)


def _held(task: Row, worker: Row) -> Iterator[str]:
    attempt = f", attempt {task.attempt} of {task.max_attempts}" if task.attempt > 1 else ""
    who = f"`{_name(worker.account_name)}`{attempt}"
    if WorkerStatus(worker.status) is WorkerStatus.WAITING_INPUT and worker.waiting_for:
        yield f"{who} waits for an answer"
        yield quoted(_question(worker.waiting_for))
        yield f"Answer with a comment that begins with `{ANSWER}`."
    else:
        yield f"claimed by {who}"


def _question(waiting_for: dict[str, object]) -> str:
    options = waiting_for.get("options")
    lines = [str(waiting_for.get("prompt", ""))]
    lines += [f"- {each}" for each in options] if isinstance(options, list) else []
    return "\n".join(lines)


def _waiting(task: Row) -> Iterator[str]:
    if task.trust == Trust.PUBLIC and task.approved_at is None:
        yield "waits for approval: anybody may have written this issue"
    else:
        yield "waits for an agent"
    if task.error:
        yield "The last attempt ended:"
        yield quoted(task.error)


def quoted(text: str) -> str:
    """A text as a block in which it means nothing but itself."""
    shown = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    if len(shown) > _MOST:
        shown = f"{shown[:_MOST]}\n…"
    longest = max((len(run) for run in _BACKTICKS.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def _name(text: str) -> str:
    """A name for within a line of code."""
    return " ".join(_CONTROL.sub(" ", text).replace("`", "'").split())[:_LONGEST_NAME] or "-"
