"""The final report of an attempt: told until the server has heard it, or does not want it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from buildd.agent.attempt import Attempt
from buildd.agent.lease import OVER
from buildd.agent.retry import persist
from buildd.agent.text import storable
from buildd.errors import BuilddError, Conflict, Invalid
from buildd.roles import Completed, Failed, Lost, Outcome, Paused, Released

_ERROR_LIMIT = 20_000


async def report(
    attempt: Attempt, outcome: Outcome, give_up: Callable[[], float | None]
) -> Outcome:
    """Tell the server how the attempt ended; the outcome that it accepted, or `Lost`."""
    await attempt.keeper.settle(give_up())
    try:
        await _tell(attempt, outcome, give_up)
    except Invalid as problem:
        if not isinstance(outcome, Completed):
            raise
        # Only what the work itself produced can be wrong here, and again it would be.
        refused = Failed(f"the result cannot be stored: {problem.message}", retryable=False)
        return await report(attempt, refused, give_up)
    except (*OVER, Conflict) as problem:
        return Lost(problem.message)
    except BuilddError as problem:
        return Lost(f"the server did not hear of it: {problem.message}")
    return outcome


async def _tell(attempt: Attempt, outcome: Outcome, give_up: Callable[[], float | None]) -> None:
    workers, worker_id = attempt.client.workers, attempt.claimed.id

    async def call() -> Any:
        match outcome:
            case Completed(result=result):
                return await workers.complete(id=worker_id, result=dict(result) if result else None)
            case Failed(error=error, retryable=retryable, code=code):
                said = storable(error, _ERROR_LIMIT) or "failed"
                return await workers.fail(
                    id=worker_id, error=said, error_code=code, retryable=retryable
                )
            case Paused():
                return await workers.pause(id=worker_id)
            case Released():
                return await attempt.client.tasks.release(
                    id=attempt.claimed.task_id, reason="drain"
                )
            case Lost():
                return None

    await persist(call, until=give_up())
