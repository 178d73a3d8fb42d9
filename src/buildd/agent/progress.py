"""How running attempts stand, for whoever watches an agent at work."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from buildd.agent.attempt import Attempt
from buildd.clock import elapsed
from buildd.text import one_line

_SHOWN = 200


@dataclass(frozen=True)
class Standing:
    """How a running attempt stands now."""

    task_id: str
    title: str
    seconds: float
    """How long it has been running here."""
    progress: int
    """Percent."""
    cost_usd: Decimal
    line: str
    """What it said last, without secrets and in one line; a question begins with a question mark."""


def standing(attempt: Attempt) -> Standing:
    """How an attempt stands."""
    worker, totals = attempt.claimed.worker, attempt.keeper.totals
    return Standing(
        task_id=attempt.claimed.task_id,
        title=one_line(attempt.redactor.redact(attempt.task.title), _SHOWN),
        seconds=elapsed() - attempt.began,
        progress=totals.get("progress", worker.progress),
        cost_usd=totals.get("cost_usd", worker.cost_usd),
        line=one_line(attempt.redactor.redact(attempt.speech.last), _SHOWN),
    )
