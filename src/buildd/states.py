"""The states of tasks, workers, launches and deliveries, and the only table of the moves between them.

The guarded UPDATEs, the CHECK constraints, the diagrams in the docs and the exhaustive tests are all
derived from the machines at the end of this file. Nothing else decides a status.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar


class TaskStatus(StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    """Waits to be claimed (perhaps for a dependency, or for its time)."""
    ASSIGNED = "assigned"
    """A worker holds it without working on it: idle, starting or paused."""
    RUNNING = "running"
    """A worker works on it, or waits for a person's answer about it."""
    COMPLETED = "completed"
    """Done: one result was accepted. Final."""
    FAILED = "failed"
    """Its attempts are used up, or it failed for good. `retry` is the only way back."""
    CANCELLED = "cancelled"
    """A person called it off. `retry` is the only way back."""


class WorkerStatus(StrEnum):
    """Where one attempt of one account at one task stands."""

    IDLE = "idle"
    """Claimed; its agent has not begun."""
    STARTING = "starting"
    """The agent prepares the work tree, or takes it up again after a pause."""
    RUNNING = "running"
    """At work."""
    WAITING_INPUT = "waiting_input"
    """Asked a person something. Keeps its lease."""
    PAUSED = "paused"
    """Put aside: no slot, no lease, but the task is still its own."""
    COMPLETED = "completed"
    """Its result was accepted. Final."""
    ERROR = "error"
    """Ended without a result; `errorCode` tells why. Final."""


class WorkerVerb(StrEnum):
    """What can happen to a worker."""

    START = "start"
    RUN = "run"
    ASK = "ask"
    ANSWER = "answer"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"
    FAIL = "fail"
    LOSE = "lose"
    RELEASE = "release"
    CANCEL = "cancel"


class TaskVerb(StrEnum):
    """What can happen to a task."""

    CLAIM = "claim"
    RUN = "run"
    HOLD = "hold"
    COMPLETE = "complete"
    FAIL = "fail"
    REQUEUE = "requeue"
    CANCEL = "cancel"
    RETRY = "retry"


class LaunchStatus(StrEnum):
    """Where one thing that a pool's runner was asked for stands."""

    REQUESTED = "requested"
    """Written down before its runner is called, which may have happened already."""
    STARTING = "starting"
    """Its platform has it; no agent was seen at work yet."""
    RUNNING = "running"
    """Seen at work."""
    STOPPING = "stopping"
    """No longer wanted; it is not known to have ended."""
    ENDED = "ended"
    """It is over. Final."""
    FAILED = "failed"
    """It never came about. Final."""


class LaunchVerb(StrEnum):
    """What can happen to a launch."""

    ENSURE = "ensure"
    RUN = "run"
    STOP = "stop"
    END = "end"
    FAIL = "fail"


class DeliveryStatus(StrEnum):
    """Where one message to somebody outside stands."""

    PENDING = "pending"
    """Waits for its next attempt."""
    SENDING = "sending"
    """A server sends it. One that dies leaves it to the others."""
    DELIVERED = "delivered"
    """It was taken. `redeliver` sends it again."""
    FAILED = "failed"
    """It was given up. `redeliver` is the only way back."""


class DeliveryVerb(StrEnum):
    """What can happen to a delivery."""

    SEND = "send"
    DELIVER = "deliver"
    PUT_OFF = "put_off"
    FAIL = "fail"
    REDELIVER = "redeliver"


class OnDependencyFailure(StrEnum):
    """What becomes of a task when one that it depends on fails or is cancelled."""

    FAIL = "fail"
    RUN = "run"


class ErrorCode(StrEnum):
    """Why a worker ended in `error`, where buildd itself ended it."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    RELEASED = "released"
    LEASE_LOST = "lease_lost"
    TIMEOUT = "timeout"
    BUDGET_EXHAUSTED = "budget_exhausted"


S = TypeVar("S", bound=StrEnum)
V = TypeVar("V", bound=StrEnum)


@dataclass(frozen=True)
class Step(Generic[S, V]):
    """One allowed move: this verb, from any of these statuses, to that one."""

    verb: V
    sources: frozenset[S]
    target: S


@dataclass(frozen=True)
class Machine(Generic[S, V]):
    """A state machine as a table of steps, each verb once."""

    name: str
    statuses: type[S]
    initial: S
    steps: tuple[Step[S, V], ...]

    def step(self, verb: V) -> Step[S, V]:
        """The one step of this verb."""
        return next(step for step in self.steps if step.verb == verb)

    def allows(self, verb: V, status: S) -> bool:
        """Whether the verb applies to the status."""
        return status in self.step(verb).sources

    def mermaid(self) -> str:
        """The picture of the machine, for the docs."""
        rows = [
            f"    {source.value} --> {step.target.value}: {step.verb.value}"
            for step in self.steps
            for source in self.statuses
            if source in step.sources
        ]
        return "\n".join(["stateDiagram-v2", f"    [*] --> {self.initial.value}", *rows])


def _step(verb: V, sources: Iterable[S], target: S) -> Step[S, V]:
    return Step(verb, frozenset(sources), target)


_W, _T, _L, _D = WorkerStatus, TaskStatus, LaunchStatus, DeliveryStatus

LIVE = frozenset({_W.IDLE, _W.STARTING, _W.RUNNING, _W.WAITING_INPUT})
"""The statuses of a worker that hold a lease and count against its account's slots."""

HOLDING = LIVE | {_W.PAUSED}
"""The statuses of a worker that keep its task from everybody else."""

ENDED = frozenset({_W.COMPLETED, _W.ERROR})
"""A worker's terminal statuses; they never change."""

HELD = frozenset({_T.ASSIGNED, _T.RUNNING})
"""The statuses of a task that belongs to a worker."""

CLOSED = frozenset({_T.COMPLETED, _T.FAILED, _T.CANCELLED})
"""A task's terminal statuses."""

WANTED = frozenset({_L.REQUESTED, _L.STARTING, _L.RUNNING})
"""The statuses of a launch that may still take its work."""

OPEN_LAUNCH = WANTED | {_L.STOPPING}
"""The statuses of a launch that is not known to be over."""

OVER = frozenset({_L.ENDED, _L.FAILED})
"""A launch's terminal statuses; they never change."""

OPEN_DELIVERY = frozenset({_D.PENDING, _D.SENDING})
"""The statuses of a delivery that is still to be taken."""

DONE_WITH = frozenset({_D.DELIVERED, _D.FAILED})
"""The statuses of a delivery that is over until somebody wants it again."""

WORKER: Machine[WorkerStatus, WorkerVerb] = Machine(
    "worker",
    WorkerStatus,
    _W.IDLE,
    (
        _step(WorkerVerb.START, {_W.IDLE}, _W.STARTING),
        _step(WorkerVerb.RUN, {_W.STARTING}, _W.RUNNING),
        _step(WorkerVerb.ASK, {_W.RUNNING}, _W.WAITING_INPUT),
        _step(WorkerVerb.ANSWER, {_W.WAITING_INPUT}, _W.RUNNING),
        _step(WorkerVerb.PAUSE, LIVE, _W.PAUSED),
        _step(WorkerVerb.RESUME, {_W.PAUSED}, _W.STARTING),
        _step(WorkerVerb.COMPLETE, LIVE - {_W.IDLE}, _W.COMPLETED),
        _step(WorkerVerb.FAIL, LIVE, _W.ERROR),
        _step(WorkerVerb.LOSE, HOLDING, _W.ERROR),
        _step(WorkerVerb.RELEASE, HOLDING, _W.ERROR),
        _step(WorkerVerb.CANCEL, HOLDING, _W.ERROR),
    ),
)

TASK: Machine[TaskStatus, TaskVerb] = Machine(
    "task",
    TaskStatus,
    _T.PENDING,
    (
        _step(TaskVerb.CLAIM, {_T.PENDING}, _T.ASSIGNED),
        _step(TaskVerb.RUN, {_T.ASSIGNED}, _T.RUNNING),
        _step(TaskVerb.HOLD, {_T.RUNNING}, _T.ASSIGNED),
        _step(TaskVerb.COMPLETE, HELD, _T.COMPLETED),
        _step(TaskVerb.FAIL, HELD | {_T.PENDING}, _T.FAILED),
        _step(TaskVerb.REQUEUE, HELD, _T.PENDING),
        _step(TaskVerb.CANCEL, HELD | {_T.PENDING}, _T.CANCELLED),
        _step(TaskVerb.RETRY, {_T.FAILED, _T.CANCELLED}, _T.PENDING),
    ),
)

LAUNCH: Machine[LaunchStatus, LaunchVerb] = Machine(
    "launch",
    LaunchStatus,
    _L.REQUESTED,
    (
        _step(LaunchVerb.ENSURE, {_L.REQUESTED}, _L.STARTING),
        _step(LaunchVerb.RUN, {_L.REQUESTED, _L.STARTING}, _L.RUNNING),
        _step(LaunchVerb.STOP, WANTED, _L.STOPPING),
        _step(LaunchVerb.END, OPEN_LAUNCH, _L.ENDED),
        _step(LaunchVerb.FAIL, {_L.REQUESTED}, _L.FAILED),
    ),
)

DELIVERY: Machine[DeliveryStatus, DeliveryVerb] = Machine(
    "delivery",
    DeliveryStatus,
    _D.PENDING,
    (
        _step(DeliveryVerb.SEND, OPEN_DELIVERY, _D.SENDING),
        _step(DeliveryVerb.DELIVER, {_D.SENDING}, _D.DELIVERED),
        _step(DeliveryVerb.PUT_OFF, {_D.SENDING}, _D.PENDING),
        _step(DeliveryVerb.FAIL, OPEN_DELIVERY, _D.FAILED),
        _step(DeliveryVerb.REDELIVER, DONE_WITH, _D.PENDING),
    ),
)
