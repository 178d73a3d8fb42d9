"""What an earlier run of the same attempt left on this machine: its session, and what that has cost.

Claude Code goes on counting where a resumed session stood. buildd has booked that already.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from buildd.roles import Session

_COST = '"type":"cost-state"'


@dataclass(frozen=True)
class Earlier:
    """A session of Claude Code that can be taken up again."""

    session_id: str
    cost: Decimal
    """US dollars that it will count as its own from the start."""


def configuration(session: Session) -> Path:
    """Where Claude Code keeps the sessions and settings of an attempt."""
    return session.memory / "claude"


def find(session: Session) -> Earlier | None:
    """The session that was reported before, if it is here."""
    known = session.worker.session_id
    if not known:
        return None
    transcripts = configuration(session).glob(f"projects/*/{known}.jsonl")
    return next((Earlier(known, _cost(each)) for each in transcripts), None)


def _cost(transcript: Path) -> Decimal:
    """The last total that was written down; 0 if there is none."""
    lines = transcript.read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line for line in reversed(lines) if _COST in line), "{}")
    try:
        return Decimal(str(json.loads(last)["totalCostUSD"]))
    except (ValueError, KeyError, ArithmeticError):
        return Decimal(0)
