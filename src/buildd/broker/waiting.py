"""The waiting room: claims that found nothing wait here for an event that may change that.

No thread is parked for a waiting claim. Claims that want the same for the same account stand in one
line: what one of them cannot take, none can. So of each line one tries at a time, and only while there
is something to take the next one follows; of a thousand that wait, all others sleep on. A claim that
should try while it is trying tries once more, so that nothing falls between the attempt and the wait.
Whoever's time is up gets the empty answer it had.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from itertools import chain

from buildd.broker._context import Origin
from buildd.broker.lines import Line, Offer, Waiter, is_slot
from buildd.broker.principals import Principal
from buildd.clock import elapsed
from buildd.events import Event, EventType
from buildd.models import Claim, Claimed
from buildd.operations import ClaimTasks
from buildd.states import TASK

Attempt = Callable[[ClaimTasks, Principal, Origin], "Future[Claim]"]

_TICK_SECONDS = 0.25
_OF_TASKS = {EventType.TASK_CREATED, EventType.TASK_UPDATED, EventType.TASK_CANCELLED}


class WaitingRoom:
    """Holds the waiting claims and lets them try again."""

    def __init__(self, attempt: Attempt, give_back: Callable[[Claimed], None]) -> None:
        self._attempt = attempt
        self._give_back = give_back
        self._lines: dict[Hashable, Line] = {}
        self._offers: dict[str, Offer] = {}
        self._newest = 0
        """The number of the last offer."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="buildd-waiting", daemon=True)
        self._thread.start()

    def admit(self, operation: ClaimTasks, principal: Principal, origin: Origin) -> Future[Claim]:
        """Try, and wait if that brings nothing. Cancelling the future ends the wait."""
        deadline = elapsed() + operation.wait_seconds
        with self._lock:
            line = Line(operation, principal)
            line = self._lines.setdefault(line.wants, line)
            waiter = Waiter(operation, principal, origin, line, deadline)
            line.trying[waiter] = None
        waiter.add_done_callback(self._forget)
        self._try(waiter)
        return waiter

    @property
    def occupancy(self) -> int:
        """How many claims wait."""
        with self._lock:
            return sum(len(line.idle) + len(line.trying) for line in self._lines.values())

    def hear(self, event: Event) -> None:
        """An event was committed: whom it may concern tries again."""
        if event.type is EventType.ACCOUNT_UPDATED:
            self._call_all(event)
        elif event.type not in _OF_TASKS:
            self._call(lambda line: line.may_take(event), slot=is_slot(event))
        elif event.task_id is not None and event.data.get("status") == TASK.initial:
            with self._lock:
                self._newest += 1
                offer = Offer(self._newest, lambda line: line.may_take(event), event.task_id)
                self._offers[event.task_id] = offer
            self._pass_on(offer)
        else:
            self._withdraw(event.task_id)

    def poke_all(self) -> None:
        """Something may have become claimable that no event told of."""
        self._call(lambda _: True)

    def close(self) -> None:
        """Everybody gets the answer they have."""
        self._stop.set()
        self._thread.join()
        self._dismiss(lambda _: True)

    def _call(self, concerned: Callable[[Line], bool], *, slot: bool = False) -> None:
        """There may be something for some lines, and nobody knows how much: offer it in each."""
        with self._lock:
            lines = [line for line in self._lines.values() if concerned(line)]
            self._newest += 1
            offers = [Offer(self._newest, concerned, slot=slot, only=line) for line in lines]
        for offer in offers:
            self._pass_on(offer)

    def _call_all(self, event: Event) -> None:
        """Each by itself, since the account's keys may be over."""
        with self._lock:
            called = [line for line in self._lines.values() if line.may_take(event)]
            ready = [waiter for line in called for waiter in line.idle]
            for waiter in chain.from_iterable(line.trying for line in called):
                waiter.again = True
            for waiter in ready:
                _begin(waiter, None)
        for waiter in ready:
            self._try(waiter)

    def _pass_on(self, offer: Offer) -> None:
        """Let the next one try who may take it."""
        with self._lock:
            over = offer.task_id is not None and self._offers.get(offer.task_id) is not offer
            waiter = None if over or self._stop.is_set() else self._next(offer)
            if waiter is not None:
                _begin(waiter, offer)
        if waiter is None:
            self._end(offer)
        else:
            self._try(waiter)

    def _next(self, offer: Offer) -> Waiter | None:
        """Who waits; if all are trying, each of them looks once more if it comes back with nothing."""
        candidates = self._lines.values() if offer.only is None else [offer.only]
        lines = [line for line in candidates if offer.is_for(line)]
        for line in lines:
            if line.idle and not (offer.slot and line.lacks_work()):
                return next(iter(line.idle))
        for waiter in chain.from_iterable(line.trying for line in lines):
            waiter.again = True
        return None

    def _end(self, offer: Offer) -> None:
        with self._lock:
            if offer.task_id is not None and self._offers.get(offer.task_id) is offer:
                del self._offers[offer.task_id]

    def _withdraw(self, task_id: str | None) -> None:
        with self._lock:
            self._offers.pop(task_id or "", None)

    def _try(self, waiter: Waiter) -> None:
        waiter.sees = self._newest
        attempt = self._attempt(waiter.operation, waiter.principal, waiter.origin)
        attempt.add_done_callback(lambda done: self._tried(waiter, done))

    def _tried(self, waiter: Waiter, attempt: Future[Claim]) -> None:
        offer, waiter.offer = waiter.offer, None
        taken = self._settle(waiter, attempt)
        if offer is not None and offer.task_id in taken:
            self._end(offer)
        elif offer is not None:
            self._pass_on(offer)

    def _settle(self, waiter: Waiter, attempt: Future[Claim]) -> set[str]:
        """Answer it with the tasks that it has now, or let it wait on."""
        error = attempt.exception()
        if error is not None:
            if waiter.set_running_or_notify_cancel():
                waiter.set_exception(error)
            return set()
        claim = attempt.result()
        if not claim.workers:
            self._wait_on(waiter, claim)
        elif waiter.set_running_or_notify_cancel():
            waiter.set_result(claim)
        else:
            for claimed in claim.workers:
                self._give_back(claimed)
        return {claimed.task_id for claimed in claim.workers}

    def _wait_on(self, waiter: Waiter, claim: Claim) -> None:
        line = waiter.line
        with self._lock:
            line.answer, line.looked = claim, max(line.looked, waiter.sees)
            again = waiter.again and waiter in line.trying and not self._stop.is_set()
            waiter.again = False
            if not again and waiter in line.trying:
                del line.trying[waiter]
                line.idle[waiter] = None
        if again:
            self._try(waiter)
        elif self._stop.is_set():
            self._dismiss(lambda _: True)

    def _forget(self, waiter: Future[Claim]) -> None:
        assert isinstance(waiter, Waiter)
        line = waiter.line
        with self._lock:
            line.idle.pop(waiter, None)
            line.trying.pop(waiter, None)
            if not (line.idle or line.trying) and self._lines.get(line.wants) is line:
                del self._lines[line.wants]

    def _run(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            self._dismiss_late(elapsed())

    def _dismiss_late(self, now: float) -> None:
        self._dismiss(lambda waiter: waiter.deadline <= now)

    def _dismiss(self, due: Callable[[Waiter], bool]) -> None:
        with self._lock:
            leaving = [
                (waiter, line.answer)
                for line in self._lines.values()
                for waiter in line.idle
                if line.answer is not None and due(waiter)
            ]
            for waiter, _ in leaving:
                del waiter.line.idle[waiter]
        for waiter, answer in leaving:
            if answer is not None and waiter.set_running_or_notify_cancel():
                waiter.set_result(answer)


def _begin(waiter: Waiter, offer: Offer | None) -> None:
    """From now on it tries."""
    del waiter.line.idle[waiter]
    waiter.line.trying[waiter] = None
    waiter.offer = offer
