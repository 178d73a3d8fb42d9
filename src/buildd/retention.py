"""For how long a server keeps what is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Retention:
    """For how long events and finished tasks are kept; None is for ever."""

    events: timedelta | None = None
    tasks: timedelta | None = None
