"""What was before: the earlier attempts at a task, and what was said in them and in this one.

It is asked for once, before the executor begins, so that nothing said later is taken for history,
and nothing is heard twice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from buildd.agent.retry import persist
from buildd.client import AsyncClient
from buildd.errors import BuilddError
from buildd.models import Claimed, Message, Role, Worker
from buildd.states import WorkerStatus

log = logging.getLogger(__name__)

_MESSAGES = 200
_ATTEMPTS = 20
_NOTE = ".heard"
"""In an attempt's memory: the last message of people that its executor has taken."""


@dataclass(frozen=True)
class Past:
    """What an attempt comes after."""

    earlier: tuple[Worker, ...] = ()
    """The earlier attempts at the task, all of which have ended, the latest first."""
    messages: tuple[Message, ...] = ()
    """What was said, oldest first."""
    heard: str | None = None
    """The last message of people among them: what comes after it is still to be heard."""


async def recall(claimed: Claimed, client: AsyncClient, memory: Path) -> Past:
    """Ask for the past of an attempt; nothing is known of it if the server refuses."""
    if claimed.worker.epoch == 1:
        return Past()
    try:
        return await persist(lambda: _recall(claimed, client, memory))
    except BuilddError as problem:
        log.warning("%s: nothing is known of earlier attempts: %s", claimed.task_id, problem)
        return Past()


async def _recall(claimed: Claimed, client: AsyncClient, memory: Path) -> Past:
    attempts = await client.workers.list(task_id=claimed.task_id, limit=_ATTEMPTS)
    earlier = [each for each in attempts if each.id != claimed.id]
    said: list[Message] = []
    heard: str | None = None
    if claimed.worker.status is not WorkerStatus.IDLE:
        own = await client.messages.list(worker_id=claimed.id, limit=_MESSAGES)
        said, heard = _split(own, _noted(memory))
    for each in earlier:
        if len(said) < _MESSAGES:
            said += await client.messages.list(worker_id=each.id, limit=_MESSAGES - len(said))
    return Past(tuple(earlier), tuple(reversed(said)), heard)


def _split(said: list[Message], noted: str | None) -> tuple[list[Message], str | None]:
    """What the executor of an earlier run knows, newest first, and the last word of people in it."""
    by_people = [each.id for each in said if each.role is Role.USER]
    heard = max(by_people, default="") if noted is None else noted
    return [each for each in said if each.role is not Role.USER or each.id <= heard], heard or None


def _noted(memory: Path) -> str | None:
    try:
        return (memory / _NOTE).read_text()
    except OSError:
        return None  # It was put aside on another machine: there, all that was said was history.


def note(memory: Path, heard: str | None) -> None:
    """Keep which message of people was the last one taken, for when the attempt is resumed here."""
    try:
        (memory / _NOTE).write_text(heard or "")
    except OSError as problem:
        log.warning("%s: %s", memory, problem.strerror)
