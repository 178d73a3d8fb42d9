"""Trying again while the server is away: full jitter, and no end unless one is given.

A server that is there and fails has a fault, which waiting seldom mends: it gets ten minutes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from buildd.clock import elapsed
from buildd.errors import BuilddError, ConfigError, InternalError, RateLimited, Unavailable
from buildd.jitter import between

R = TypeVar("R")

_FIRST = 0.25
_LONGEST = 15.0
_FACTOR = 2.0
_FAULT = 600.0
"""Seconds for which one call is tried again although the fault may be there to stay."""
_FAULTS = (InternalError, ConfigError)
"""The server says that it is itself at fault, or what answers is no server of buildd."""


class Backoff:
    """How long to wait before the next try: longer each time, and never the same for two agents."""

    def __init__(self) -> None:
        self._ceiling = _FIRST

    def reset(self) -> None:
        """It worked: the next trouble is a new one."""
        self._ceiling = _FIRST

    def next(self, problem: BaseException | None = None) -> float:
        """Seconds to wait now; at least what the server asks for."""
        ceiling, self._ceiling = self._ceiling, min(self._ceiling * _FACTOR, _LONGEST)
        asked = 0.0
        if isinstance(problem, (RateLimited, Unavailable)):
            asked = float(problem.details.get("retryAfter", 0))
        return asked + between(ceiling / 4, ceiling)


def passes(problem: BaseException) -> bool:
    """Whether an error may go away by itself.

    Even what is no buildd server may: between an agent and its server it is a proxy's page, or that
    of a hotel's network.
    """
    return isinstance(problem, (Unavailable, RateLimited, *_FAULTS))


async def persist(call: Callable[[], Awaitable[R]], *, until: float | None = None) -> R:
    """Do a call until the broker answers it, or until that moment of `buildd.clock.elapsed`.

    Raises what the broker refused it with, or its last trouble when time is up.
    """
    backoff, faulty = Backoff(), False
    while True:
        try:
            return await call()
        except BuilddError as problem:
            wait = backoff.next(problem)
            if isinstance(problem, _FAULTS) and not faulty:
                faulty, patience = True, elapsed() + _FAULT
                until = patience if until is None else min(until, patience)
            if not passes(problem) or (until is not None and elapsed() + wait > until):
                raise
        await anyio.sleep(wait)
