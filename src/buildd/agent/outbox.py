"""The outbox: the last word of each attempt, on disk before it is sent and until it is answered.

An agent that dies, or must end while the server is away, leaves its letters to the next one. A
letter holds the attempt's lease token, without which nobody could deliver it: the directory and its
files are the user's alone, and the token opens that one attempt and dies with its lease.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from buildd.agent.locks import lock
from buildd.operations import (
    CompleteWorker,
    CreateArtifact,
    FailWorker,
    OpenPullRequest,
    Operation,
    PauseWorker,
    ReleaseTask,
)

log = logging.getLogger(__name__)

_KEPT = 30 * 86_400
"""Seconds after which a letter that no agent could deliver is thrown away."""

Verb = Literal["complete", "fail", "pause", "release"]
"""The terminal reports."""

_VERBS: dict[str, type[Operation[Any]]] = {
    "complete": CompleteWorker,
    "fail": FailWorker,
    "pause": PauseWorker,
    "release": ReleaseTask,
}


class Push(BaseModel):
    """A branch that must be at the remote before the attempt is reported."""

    model_config = ConfigDict(defer_build=True)

    repository: Path
    branch: str


class Letter(BaseModel):
    """How an attempt ended, and what must be shown before that is told."""

    model_config = ConfigDict(defer_build=True)

    account_id: str
    task_id: str
    worker_id: str
    key: str
    """Names what is shown with it, so that nothing is shown twice."""
    token: str = Field(repr=False)
    totals: dict[str, Any] = {}
    """What the last heartbeat has to say, as it travels."""
    push: Push | None = None
    artifacts: tuple[CreateArtifact, ...] = ()
    pull_request: OpenPullRequest | None = None
    verb: Verb
    said: dict[str, Any]
    """The fields of the verb, as they travel."""

    @property
    def verdict(self) -> Operation[Any]:
        """The terminal report."""
        return _VERBS[self.verb].model_validate(self.said)

    def with_pull_request(self, url: str | None) -> Letter:
        """The same, once it is known which pull request was opened, if any."""
        found = {} if url is None else {"pullRequest": url}
        said = {**self.said, "result": {**found, **(self.said.get("result") or {})}}
        return self.model_copy(update={"pull_request": None, "said": said})

    def spoilt(self, error: str) -> Letter:
        """The same attempt, whose work could not be brought to where it belongs."""
        if self.verb in ("pause", "release"):
            log.warning("%s: %s", self.task_id, error)
            return self.model_copy(update={"push": None})
        told = self.said.get("error")
        said = {**self.said, "error": f"{told}\n{error}" if told else error}
        said.pop("result", None)
        less: dict[str, Any] = {"push": None, "pull_request": None}
        return self.model_copy(update={**less, "verb": "fail", "said": said})


class Kept:
    """A letter of ours on disk: nobody else delivers it while we hold its lock."""

    def __init__(self, letter: Letter, path: Path, lock: int | None) -> None:
        self.letter = letter
        self._path = path
        self._lock = lock

    def replace(self, letter: Letter) -> None:
        """Say something else instead."""
        fresh = _try_to_write(self._path, letter)
        if fresh is not None:
            self.leave()  # not before: somebody would deliver the old one
            self._lock = fresh
        self.letter = letter

    def remove(self) -> None:
        """It has been answered."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as problem:  # told again, it is answered as before
            log.warning(
                "%s: cannot remove %s: %s", self.letter.task_id, self._path, problem.strerror
            )
        finally:
            self.leave()

    def leave(self) -> None:
        """Leave it to whoever comes by next."""
        if self._lock is not None:
            os.close(self._lock)


class Outbox:
    """The letters of all agents that share a state directory."""

    def __init__(self, state: Path) -> None:
        self._directory = state / "outbox"

    def put(self, letter: Letter) -> Kept:
        """Keep a letter: after this not even a power cut loses it, unless the disk is full."""
        path = self._directory / f"{letter.worker_id}.json"
        return Kept(letter, path, _try_to_write(path, letter))

    def left(self, account_id: str) -> Iterator[Kept]:
        """The letters of an account that other agents, now gone, have left."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                kept = _take(path)
            except (OSError, ValidationError) as problem:
                log.warning("%s cannot be read: %s", path, str(problem).splitlines()[0])
                continue
            if kept is None:
                continue
            if kept.letter.account_id == account_id:
                yield kept
            elif time.time() - path.stat().st_mtime > _KEPT:
                log.warning("threw away the report on %s: too old", kept.letter.task_id)
                kept.remove()
            else:
                kept.leave()


def _try_to_write(path: Path, letter: Letter) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _write(path, letter)
    except OSError as problem:
        log.warning("%s: its report is not safe on disk: %s", letter.task_id, problem.strerror)
        return None


def _write(path: Path, letter: Letter) -> int:
    """Replace a file by the letter, all or nothing; a locked descriptor of it."""
    fresh = path.with_suffix(".new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        with os.fdopen(file, "wb", closefd=False) as stream:
            stream.write(letter.model_dump_json(exclude_unset=True).encode())
        os.fsync(file)
        fresh.rename(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except BaseException:
        os.close(file)
        fresh.unlink(missing_ok=True)
        raise
    return file


def _take(path: Path) -> Kept | None:
    """A letter that nobody delivers. Raises `OSError`, or `ValidationError` for what is none."""
    held = lock(path)
    if held is None:
        return None
    try:
        return Kept(Letter.model_validate_json(path.read_bytes()), path, held)
    except BaseException:
        os.close(held)
        raise
