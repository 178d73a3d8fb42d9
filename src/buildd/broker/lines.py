"""Whom an event may concern of those who wait: claims that want the same stand in one line.

Whatever decides about a claim is the same for all of its line, so what one of them cannot take, none can.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field

from buildd import routing
from buildd.broker._context import Origin
from buildd.broker.principals import Principal
from buildd.broker.slots import FREED, MONEY
from buildd.events import Event, EventType
from buildd.models import Claim, ReasonCode
from buildd.operations import ClaimTasks
from buildd.routing import RunnerPreference
from buildd.states import ENDED, WORKER, WorkerVerb

_PAUSED = WORKER.step(WorkerVerb.PAUSE).target


@dataclass(eq=False, slots=True)
class Line:
    """Claims of which each would be answered what any other is, in the order in which they came."""

    wanted: ClaimTasks
    account: Principal
    idle: dict[Waiter, None] = field(default_factory=dict)
    trying: dict[Waiter, None] = field(default_factory=dict)
    answer: Claim | None = None
    """What the last one was told that got nothing."""
    looked: int = 0
    """The number of the last offer that was there when this one began to look."""

    def may_take(self, event: Event) -> bool:
        """Whether the event is of a kind that can make something claimable for these."""
        mine = event.account_id == self.account.account_id
        here = self.wanted.workspace_id in {None, event.workspace_id}
        match event.type:
            case EventType.ACCOUNT_UPDATED:
                return mine
            case EventType.WORKSPACE_UPDATED:
                return here
            case EventType.WORKER_STATUS:
                to_account = _gives_slot(event) or _is_resumed(event)
                return (mine and to_account) or (here and _gives_room(event))
            case EventType.TASK_CREATED | EventType.TASK_UPDATED:
                return here and self._fits(event)
            case _:
                return False

    @property
    def wants(self) -> Hashable:
        """What decides about the answer; a key does not, which is looked at with each try."""
        wanted, who = self.wanted, self.account
        launched = (who.launch_id, who.token)
        asked = (wanted.workspace_id, wanted.task_id, wanted.run_id)
        return (who.account_id, *launched, *asked, frozenset(wanted.capabilities))

    def lacks_work(self) -> bool:
        """Whether the last one found nothing although it had a slot; by another slot it gets nothing."""
        reason = self.answer.reason if self.answer else None
        return reason is not None and reason.code is ReasonCode.NO_WORK

    def _fits(self, event: Event) -> bool:
        if self.wanted.task_id not in {None, event.task_id}:
            return False
        preference, required = (
            event.data.get("runnerPreference"),
            event.data.get("requiredCapabilities"),
        )
        if not isinstance(preference, str) or not isinstance(required, list):
            return True
        account_type = self.account.account_type
        return (
            account_type is None or routing.prefers(RunnerPreference(preference), account_type)
        ) and routing.capable([str(each) for each in required], self.wanted.capabilities)


@dataclass(eq=False, slots=True)
class Offer:
    """Something that may be taken now, passed on from one claim to the next."""

    number: int
    """Of those that were made in this process."""
    concerned: Callable[[Line], bool]
    task_id: str | None = None
    """The task, if it is one: then it is over as soon as anybody has that."""
    slot: bool = False
    """Whether it is a slot of the account and nothing else."""
    only: Line | None = None
    """The one line that it is for, if it is for one."""

    def is_for(self, line: Line) -> bool:
        """Whether it is for a line that has not looked since, and found nothing."""
        return line.looked < self.number and self.concerned(line)


@dataclass(eq=False)
class Waiter(Future[Claim]):
    """One claim that waits: the future of its answer.

    It is no field of it, or the two would hold each other, and stay in memory until Python looks
    for such pairs.
    """

    operation: ClaimTasks
    principal: Principal
    origin: Origin
    line: Line
    deadline: float
    again: bool = False
    """Whether it has to try once more."""
    sees: int = 0
    """The number of the last offer when its try began."""
    offer: Offer | None = None
    """What it is trying to take."""

    def __post_init__(self) -> None:
        super().__init__()


def is_slot(event: Event) -> bool:
    """Whether it gives a slot to an account, and nothing else to anybody."""
    only = not _gives_room(event) and not _is_resumed(event)
    return event.type is EventType.WORKER_STATUS and only


def _gives_slot(event: Event) -> bool:
    return event.data.get("status") in {*ENDED, _PAUSED}


def _gives_room(event: Event) -> bool:
    """To all who work in the workspace."""
    return FREED in event.data or MONEY in event.data


def _is_resumed(event: Event) -> bool:
    """So that an agent of the account has to take the worker up."""
    return event.data.get("previousStatus") == _PAUSED
