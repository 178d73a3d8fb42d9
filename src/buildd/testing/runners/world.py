"""The far end of a runner in a test, and the trouble that can be made there. Authors of runners write one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NoReturn

import pytest

from buildd.roles import ExternalRef, Runner


class Trouble(StrEnum):
    """What can befall a call that is to start, extend or stop something."""

    CALL_LOST = "call_lost"
    """Not carried out; the caller sees a broken connection, or no answer."""
    ANSWER_LOST = "answer_lost"
    """Carried out; the caller sees a broken connection, or dies before it has an answer."""
    LATE = "late"
    """Carried out; the caller sees nothing until it has stopped waiting: its own time limit ends the call."""
    TWICE = "twice"
    """Carried out, and then asked for once more, as by a proxy; the caller sees the second answer."""
    BUSY = "busy"
    """Not carried out; the caller sees a refusal for now: too many requests, or a fault of the far end."""
    REFUSED = "refused"
    """Not carried out; the caller sees a refusal for good: no permission, no such template."""


class World(ABC):
    """Where the runner under test starts things: a fake of the platform's API, or the real one.

    It is made anew for each test, and whatever runs in it must end with it. Four methods must be
    written. Each of the others, left as it is, skips the tests that need it and says so.

    Everything may be called when a runner was made already, and then holds for it too: `hold`,
    `defy` and `lifetime` change or tell what the far end does with what is started from then on.
    """

    @abstractmethod
    def runner(self) -> Runner:
        """A runner that is new to this world, as after the server was started anew."""

    @abstractmethod
    def agents(self, order_id: str) -> int:
        """How many agents the far end has for an order, waiting to begin or at work.

        Where they are processes, count those that lead a session: what agents start counts not.
        """

    @abstractmethod
    def never(self) -> ExternalRef:
        """How the runner would refer to something that it has never started."""

    @abstractmethod
    def public(self) -> Iterable[str]:
        """All that others could read: arguments and environments of processes, logs, URLs, names."""

    def ready(self, order_id: str) -> None:  # noqa: B027 - nothing to do in most worlds
        """Return when the agent of an order, which runs, can be counted and asked to end; most always can."""

    def befall(self, trouble: Trouble) -> None:
        """Have it befall the next call that is to start, extend or stop something; only that one.

        For a trouble that cannot be made, call `super().befall(trouble)`: it skips the test.
        """
        _cannot(f"make the trouble {trouble.value!r}")

    def cut_off(self) -> None:
        """Be out of reach: no call arrives until `reconnect`. What runs there goes on."""
        _cannot("be out of reach")

    def reconnect(self) -> None:
        """Be in reach again."""
        _cannot("be in reach again")

    def hold(self) -> None:
        """Let nothing begin until `release`: what is started from now on waits."""
        _cannot("let a launch wait")

    def release(self) -> None:
        """Let what waits begin."""
        _cannot("let a launch begin")

    def end(self, order_id: str, exit_code: int) -> None:
        """Have the agent of an order end by itself, and return when it has."""
        _cannot("have an agent end")

    def vanish(self, order_id: str) -> None:
        """Take away, behind the runner's back, every trace of an order at the far end."""
        _cannot("take a launch away")

    def foreign(self) -> None:
        """Start something there that is somebody else's, as like to the runner's own as can be."""
        _cannot("hold what is somebody else's")

    def defy(self) -> None:
        """Let agents that are started from now on ignore the request to end."""
        _cannot("start an agent that does not listen")

    def drained(self, order_id: str) -> bool:
        """Whether the agent of an order was asked to end, and did so by itself."""
        _cannot("tell whether an agent drained")

    def asked(self, order_id: str) -> int:
        """How often the agent of an order, which does not listen, was asked to end."""
        _cannot("tell how often an agent was asked to end")

    def key(self, order_id: str) -> str | None:
        """The credential that the agent of an order has found, once it is at work."""
        _cannot("tell what an agent was given")

    def settings(self, order_id: str) -> Mapping[str, str]:
        """The further private variables that the agent of an order has found, once it is at work."""
        _cannot("tell an agent's settings")

    def arguments(self, order_id: str) -> tuple[str, ...]:
        """The order's arguments as the agent of an order has found them, once it is at work."""
        _cannot("tell an agent's arguments")

    def lifetime(self) -> float:
        """Seconds after which the far end ends, by itself, what nobody extends."""
        _cannot("end anything by itself")

    def advance(self, seconds: float) -> None:
        """Let time pass, for the runner and for the far end."""
        _cannot("let time pass")

    def misconfigured(self) -> Runner:
        """A runner that could not start anything, because of its configuration."""
        _cannot("have a runner with a wrong configuration")


def _cannot(what: str) -> NoReturn:
    pytest.skip(f"this world cannot {what}")
