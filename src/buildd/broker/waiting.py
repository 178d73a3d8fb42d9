"""The waiting room: claims that found nothing wait here for an event that may change that.

No thread is parked for a waiting claim. A task that has become claimable is offered to one claim
after another until one has it: of a thousand that wait, all others sleep on. What may let many take
something pokes all whom it may concern. A claim that is poked while it is trying tries once more, so
that nothing falls between the attempt and the wait. Whoever's time is up gets the empty answer it had.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from buildd import routing
from buildd.broker._context import Origin
from buildd.broker.attempts import FREED, MONEY
from buildd.broker.principals import Principal
from buildd.clock import elapsed
from buildd.events import Event, EventType
from buildd.models import Claim, Claimed, ReasonCode
from buildd.operations import ClaimTasks
from buildd.routing import RunnerPreference
from buildd.states import ENDED, TASK, WORKER, WorkerVerb

Attempt = Callable[[ClaimTasks, Principal, Origin], "Future[Claim]"]

_TICK_SECONDS = 0.25
_OF_TASKS = {EventType.TASK_CREATED, EventType.TASK_UPDATED, EventType.TASK_CANCELLED}
_PAUSED = WORKER.step(WorkerVerb.PAUSE).target


@dataclass(eq=False)
class Waiter:
    """One claim that waits."""

    operation: ClaimTasks
    principal: Principal
    origin: Origin
    deadline: float
    future: Future[Claim] = field(default_factory=Future)
    trying: bool = True
    poked: bool = False
    offered: str | None = None
    """The task that it is trying to take because it was offered."""
    answer: Claim | None = None

    def may_take(self, event: Event) -> bool:
        """Whether the event is of a kind that can make something claimable for this one."""
        if event.type is EventType.ACCOUNT_UPDATED:
            return event.account_id == self.principal.account_id
        here = self.operation.workspace_id in {None, event.workspace_id}
        if event.type is EventType.WORKSPACE_UPDATED:
            return here
        if event.type is EventType.WORKER_STATUS:
            mine = event.account_id == self.principal.account_id
            return (mine and self._is_let(event)) or (here and FREED in event.data)
        return here and self._fits(event)

    def _is_let(self, event: Event) -> bool:
        """Whether a step of one of its account's workers may let it take something now."""
        if event.data.get("previousStatus") == _PAUSED:
            return True  # to be taken up
        # Who found no work although there was a slot, and misses no money, gets none by another slot.
        reason = self.answer.reason if self.answer else None
        lacks = reason is None or reason.code is not ReasonCode.NO_WORK or MONEY in event.data
        return lacks and event.data.get("status") in {*ENDED, _PAUSED}

    def _fits(self, event: Event) -> bool:
        wanted = self.operation
        if wanted.task_id not in {None, event.task_id}:
            return False
        preference, required = (
            event.data.get("runnerPreference"),
            event.data.get("requiredCapabilities"),
        )
        if not isinstance(preference, str) or not isinstance(required, list):
            return True
        account_type = self.principal.account_type
        return (
            account_type is None or routing.prefers(RunnerPreference(preference), account_type)
        ) and routing.capable([str(each) for each in required], wanted.capabilities)


@dataclass(eq=False)
class Offer:
    """A task that was claimable a moment ago."""

    event: Event
    asked: set[Waiter] = field(default_factory=set)


class WaitingRoom:
    """Holds the waiting claims and lets them try again."""

    def __init__(self, attempt: Attempt, give_back: Callable[[Claimed], None]) -> None:
        self._attempt = attempt
        self._give_back = give_back
        self._waiters: dict[Waiter, None] = {}
        """In the order in which they came."""
        self._offers: dict[str, Offer] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="buildd-waiting", daemon=True)
        self._thread.start()

    def admit(self, operation: ClaimTasks, principal: Principal, origin: Origin) -> Future[Claim]:
        """Try, and wait if that brings nothing. Cancelling the future ends the wait."""
        waiter = Waiter(operation, principal, origin, elapsed() + operation.wait_seconds)
        with self._lock:
            self._waiters[waiter] = None
        waiter.future.add_done_callback(lambda _: self._forget(waiter))
        self._try(waiter)
        return waiter.future

    @property
    def occupancy(self) -> int:
        """How many claims wait."""
        return len(self._waiters)

    def hear(self, event: Event) -> None:
        """An event was committed: whom it may concern tries again."""
        if event.type not in _OF_TASKS:
            self._poke(lambda waiter: waiter.may_take(event))
        elif event.task_id is not None and event.data.get("status") == TASK.initial:
            with self._lock:
                self._offers[event.task_id] = Offer(event)
            self._pass_on(event.task_id)
        else:
            self._withdraw(event.task_id)

    def poke_all(self) -> None:
        """Something may have become claimable that no event told of."""
        self._poke(lambda _: True)

    def close(self) -> None:
        """Everybody gets the answer they have."""
        self._stop.set()
        self._thread.join()
        self._dismiss(lambda _: True)

    def _poke(self, concerned: Callable[[Waiter], bool]) -> None:
        with self._lock:
            poked = [waiter for waiter in self._waiters if concerned(waiter)]
            ready = [waiter for waiter in poked if not waiter.trying]
            for waiter in poked:
                waiter.poked = True
            for waiter in ready:
                waiter.trying = True
        for waiter in ready:
            self._try(waiter)

    def _pass_on(self, task_id: str | None) -> None:
        """Offer a task that nobody has taken to the next who may take it."""
        with self._lock:
            offer = self._offers.get(task_id or "")
            if offer is None or self._stop.is_set():
                return
            waiter = self._next(offer)
            if waiter is None:
                del self._offers[offer.event.task_id or ""]
                return
            offer.asked.add(waiter)
            waiter.trying = True
            waiter.offered = task_id
        self._try(waiter)

    def _next(self, offer: Offer) -> Waiter | None:
        """Who waits; if all are trying, each of them looks once more if it comes back with nothing."""
        trying = []
        for waiter in self._waiters:
            if waiter not in offer.asked and waiter.may_take(offer.event):
                if not waiter.trying:
                    return waiter
                trying.append(waiter)
        for waiter in trying:
            waiter.poked = True
        return None

    def _withdraw(self, task_id: str | None) -> None:
        with self._lock:
            self._offers.pop(task_id or "", None)

    def _try(self, waiter: Waiter) -> None:
        waiter.poked = False
        attempt = self._attempt(waiter.operation, waiter.principal, waiter.origin)
        attempt.add_done_callback(lambda done: self._tried(waiter, done))

    def _tried(self, waiter: Waiter, attempt: Future[Claim]) -> None:
        offered, waiter.offered = waiter.offered, None
        self._settle(waiter, attempt)
        self._pass_on(offered)

    def _settle(self, waiter: Waiter, attempt: Future[Claim]) -> None:
        error = attempt.exception()
        if error is not None:
            if waiter.future.set_running_or_notify_cancel():
                waiter.future.set_exception(error)
            return
        claim = attempt.result()
        if claim.workers:
            for claimed in claim.workers:
                self._withdraw(claimed.task_id)
            if waiter.future.set_running_or_notify_cancel():
                waiter.future.set_result(claim)
            else:
                for claimed in claim.workers:
                    self._give_back(claimed)
            return
        with self._lock:
            waiter.answer = claim
            again = waiter.poked and waiter in self._waiters and not self._stop.is_set()
            waiter.trying = again
        if again:
            self._try(waiter)
        elif self._stop.is_set():
            self._dismiss(lambda _: True)

    def _forget(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiters.pop(waiter, None)

    def _run(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            self._dismiss_late(elapsed())

    def _dismiss_late(self, now: float) -> None:
        self._dismiss(lambda waiter: waiter.deadline <= now)

    def _dismiss(self, due: Callable[[Waiter], bool]) -> None:
        with self._lock:
            leaving = [
                (waiter, waiter.answer)
                for waiter in self._waiters
                if waiter.answer is not None and not waiter.trying and due(waiter)
            ]
            for waiter, _ in leaving:
                del self._waiters[waiter]
        for waiter, answer in leaving:
            if answer is not None and waiter.future.set_running_or_notify_cancel():
                waiter.future.set_result(answer)
