"""Money, as pure arithmetic: dollars outside, whole micro-dollars inside, one estimate per attempt."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

_MICRO = Decimal(1_000_000)
ZERO = Decimal(0)


def to_micro(dollars: Decimal) -> int:
    """US dollars as whole micro-dollars, half up."""
    return int((dollars * _MICRO).to_integral_value(ROUND_HALF_UP))


def to_dollars(micro: int) -> Decimal:
    """Whole micro-dollars as US dollars."""
    return Decimal(micro) / _MICRO


def rounded_up(dollars: Decimal) -> Decimal:
    """US dollars in whole micro-dollars, never less than they are."""
    return dollars.quantize(1 / _MICRO, ROUND_CEILING)


def left(cap: Decimal | None, spent: Decimal) -> Decimal | None:
    """What is left of a limit, in dollars; None if there is no limit."""
    return None if cap is None else max(cap - spent, ZERO)


def estimate(task_left: Decimal | None, account_cap: Decimal | None) -> Decimal:
    """What an attempt sets aside, in dollars: what is left for its task, else its account's cap, else 0."""
    return next((amount for amount in (task_left, account_cap) if amount is not None), ZERO)


def budget_day(moment: datetime) -> date:
    """The day a cost counts for: the UTC date on which it was reported."""
    return moment.date()
