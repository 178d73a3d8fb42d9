"""The final report of an attempt: told until the server has heard it, or does not want it.

First what must be there before it is told: the branch at the remote, the diff and the summary, the
pull request. All of it waits in the outbox meanwhile, and an agent that starts tells what an
earlier one could not. What was told already is not told twice.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from pydantic import ValidationError

from buildd.agent.attempt import Attempt
from buildd.agent.evidence import Evidence
from buildd.agent.git import GitFailed
from buildd.agent.lease import OVER, confirm, reason_of
from buildd.agent.outbox import Kept, Letter, Outbox, Verb
from buildd.agent.proposal import propose
from buildd.agent.redacting import redacted
from buildd.agent.retry import persist
from buildd.agent.worktree import push
from buildd.client import AsyncClient
from buildd.errors import BuilddError, Conflict, Invalid, LeaseLost
from buildd.models import Artifact
from buildd.operations import (
    CompleteWorker,
    FailWorker,
    Heartbeat,
    Operation,
    PauseWorker,
    ReleaseTask,
)
from buildd.roles import Completed, Failed, Lost, Outcome, Paused, Released
from buildd.states import ErrorCode, WorkerStatus
from buildd.text import storable
from buildd.wire import invalid

log = logging.getLogger(__name__)

_ERROR_LIMIT = 20_000
_KEY = "reportKey"
"""In the metadata of an artifact: which one of its report it is."""
_FLUSH = 30.0
"""Seconds for messages still under way when all else is done."""
_UNHEARD = "the server has not heard of it yet, its report is kept"
_LEFT_FOR = 30.0
"""Seconds for one letter of an earlier agent, before the next is looked at."""

_TOLD = {"pause": WorkerStatus.PAUSED.value, "release": ErrorCode.RELEASED.value}
"""What a lease was lost for, if the report that is told again was heard the first time."""


class Delivery:
    """One letter on its way: what it must show first, and then what it says."""

    def __init__(self, kept: Kept, client: AsyncClient, *, fresh: bool) -> None:
        self._kept = kept
        self._client = client
        self._fresh = fresh

    async def run(self, last_words: Callable[[], Awaitable[None]] | None = None) -> Letter:
        """Tell it; the letter as it was told. `last_words` are said just before.

        Raises what the server refused it with.
        """
        try:
            await self._show()
            if last_words is not None:
                await last_words()
        except OVER as problem:
            log.debug("%s: %s", self._kept.letter.task_id, problem)
            # Its report may have been heard, and only the answer lost. Then this is heard again.
        try:
            verdict = self._kept.letter.verdict
            await persist(lambda: self._client.send(verdict))
        except LeaseLost as problem:
            if reason_of(problem) != _TOLD.get(self._kept.letter.verb):
                raise
        return self._kept.letter

    async def _show(self) -> None:
        letter = self._kept.letter
        try:
            if letter.push is not None:
                # It cannot be taken back: only with a lease that the server has just confirmed.
                await confirm(self._beat)
                await push(letter.push.repository, letter.push.branch)
        except GitFailed as problem:
            letter = letter.spoilt(f"git: {problem}")
            self._kept.replace(letter)
        if letter.push is None and letter.totals:
            await persist(self._beat)
        if letter.artifacts:
            await persist(self._show_artifacts)
        if letter.pull_request is not None:
            await confirm(self._beat)
            url = await propose(self._client, letter.pull_request)
            self._kept.replace(letter.with_pull_request(url))

    async def _beat(self) -> Any:
        letter = self._kept.letter
        return await self._client.send(Heartbeat(id=letter.worker_id, **letter.totals))

    async def _show_artifacts(self) -> None:
        known = set() if self._fresh else {_key(each) for each in await self._shown()}
        self._fresh = False
        for number, artifact in enumerate(self._kept.letter.artifacts):
            key = f"{self._kept.letter.key}/{number}"
            if key not in known:
                metadata = {**artifact.metadata, _KEY: key}
                await self._client.send(artifact.model_copy(update={"metadata": metadata}))

    async def _shown(self) -> list[Artifact]:
        worker_id = self._kept.letter.worker_id
        return await self._client.artifacts.list(worker_id=worker_id, limit=200)


async def report(attempt: Attempt, outcome: Outcome, evidence: Evidence, outbox: Outbox) -> Outcome:
    """Tell the server how the attempt ended; the outcome that it accepted, or `Lost`.

    When the agent must end before the server has heard it (`attempt.reporting` is cancelled), the
    report stays in the outbox.
    """
    told: Outcome | None = None
    with attempt.reporting:
        told = await _report(attempt, outcome, evidence, outbox)
    return told or Lost(_UNHEARD)


async def _report(
    attempt: Attempt, outcome: Outcome, evidence: Evidence, outbox: Outbox
) -> Outcome:
    if isinstance(outcome, Lost):
        await attempt.keeper.settle()
        return outcome
    try:
        kept = outbox.put(_letter(attempt, outcome, evidence))
        letter = await _deliver(
            Delivery(kept, attempt.client, fresh=True), kept, lambda: attempt.speech.flush(_FLUSH)
        )
    except Invalid as problem:
        if not isinstance(outcome, Completed):
            raise
        # Only what the work itself produced can be wrong here, and again it would be.
        refused = Failed(f"the result cannot be stored: {problem.message}", retryable=False)
        return await _report(attempt, refused, Evidence(), outbox)
    except (*OVER, Conflict) as problem:
        return Lost(reason_of(problem))
    except BuilddError as problem:
        return Lost(f"{_UNHEARD}: {problem.message}")
    if letter.verb == "fail" and isinstance(outcome, Completed):
        return Failed(letter.said["error"])
    return outcome


async def deliver_left(outbox: Outbox, client: AsyncClient, account_id: str) -> None:
    """Tell what earlier agents of this account on this machine could not."""
    for kept in outbox.left(account_id):
        letter = kept.letter
        delivery = Delivery(kept, client.with_key(letter.token), fresh=False)
        try:
            with anyio.move_on_after(_LEFT_FOR) as patience:
                letter = await _deliver(delivery, kept)
        except (*OVER, Conflict, Invalid) as problem:
            log.warning(
                "%s: an earlier agent's report came too late: %s", letter.task_id, problem.message
            )
        except BuilddError as problem:
            log.warning("%s: cannot tell it yet: %s", letter.task_id, problem.message)
            return
        else:
            if patience.cancelled_caught:
                return
            log.info("%s: told an earlier agent's report (%s)", letter.task_id, letter.verb)


async def _deliver(
    delivery: Delivery, kept: Kept, last_words: Callable[[], Awaitable[None]] | None = None
) -> Letter:
    """Deliver a letter and throw it away, once it was accepted or refused; else it stays."""
    try:
        letter = await delivery.run(last_words)
    except (*OVER, Conflict, Invalid):
        kept.remove()
        raise
    except BaseException:
        kept.leave()
        raise
    kept.remove()
    return letter


def _letter(attempt: Attempt, outcome: Outcome, evidence: Evidence) -> Letter:
    """What is to be told, without secrets. Raises `Invalid` for what no server would take."""
    clean = attempt.redactor
    try:
        verb, said = _verdict(attempt, outcome)
        totals = Heartbeat(id=attempt.claimed.id, **attempt.keeper.unheard)
    except ValidationError as problem:
        raise invalid(problem) from None
    asked = evidence.pull_request
    return Letter(
        account_id=attempt.worker.account_id,
        task_id=attempt.claimed.task_id,
        worker_id=attempt.claimed.id,
        key=secrets.token_hex(8),
        token=attempt.claimed.lease.token,
        totals=_fields(totals, {"id"}),
        push=evidence.push,
        artifacts=tuple(redacted(each, clean) for each in evidence.artifacts),
        pull_request=asked and redacted(asked, clean),
        verb=verb,
        said=_fields(redacted(said, clean)),
    )


def _verdict(attempt: Attempt, outcome: Outcome) -> tuple[Verb, Operation[Any]]:
    worker_id = attempt.claimed.id
    match outcome:
        case Completed(result=result):
            return "complete", CompleteWorker(id=worker_id, result=dict(result) if result else None)
        case Failed(error=error, retryable=retryable, code=code):
            said = storable(error, _ERROR_LIMIT) or "failed"
            return "fail", FailWorker(
                id=worker_id, error=said, error_code=code, retryable=retryable
            )
        case Paused():
            return "pause", PauseWorker(id=worker_id)
        case Released():
            return "release", ReleaseTask(id=attempt.claimed.task_id, reason="drain")
        case Lost():
            raise AssertionError("there is nothing to tell of a lost attempt")


def _fields(operation: Operation[Any], without: set[str] | None = None) -> dict[str, Any]:
    return operation.model_dump(mode="json", exclude=without, exclude_unset=True)


def _key(artifact: Artifact) -> object:
    return artifact.metadata.get(_KEY)
