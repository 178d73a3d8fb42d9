"""What there is in the model: accounts, workspaces, tasks, attempts and schedules, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from buildd.states import HOLDING, LIVE, TaskStatus, WorkerStatus

ZERO = Decimal(0)


@dataclass
class Account:
    id: str
    type: str
    slots: int
    cap: Decimal
    cap_task: Decimal | None
    draining: bool = False
    deleted: bool = False
    grants: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    """By workspace: may claim, may create."""
    offers: dict[str, tuple[frozenset[str], datetime]] = field(default_factory=dict)
    """By agent: the capabilities it last claimed with, and when."""
    done: int = 0
    tasks_per_run: int | None = None
    cost_per_run: Decimal | None = None


@dataclass
class Workspace:
    id: str
    slots: int | None
    cap: Decimal | None


@dataclass
class Task:
    id: str
    number: int
    workspace: str
    fields: dict[str, Any]
    """What a person may set: title, priority, route, limits."""
    parents: tuple[str, ...]
    waits: set[str]
    """Those of its parents that it still waits for."""
    status: TaskStatus = TaskStatus.PENDING
    attempt: int = 0
    epoch: int = 0
    worker: str | None = None
    claimed_by: str | None = None
    cost: Decimal = ZERO
    not_before: datetime | None = None
    changed: datetime | None = None
    """Once it is closed: when it was last touched, from which its retention counts."""
    between: tuple[datetime, datetime] | None = None
    """Where chance decides how long it waits: no shorter, and no longer."""

    @property
    def estimate(self) -> Decimal | None:
        cap = self.fields["max_cost"]
        return None if cap is None else max(cap - self.cost, ZERO)


@dataclass
class Worker:
    id: str
    task: str
    workspace: str
    account: str
    epoch: int
    expires: datetime
    reserved: Decimal
    reserved_on: date
    created: datetime
    status: WorkerStatus = WorkerStatus.IDLE
    held: bool = True
    pause_asked: datetime | None = None
    progress: int = 0
    turns: int = 0
    cost: Decimal = ZERO
    code: str | None = None
    report: Any = None
    """The terminal report it ended with, which may be repeated."""
    told: int = 0
    """How many messages its agent was sent."""
    run: str | None = None
    agent: str | None = None
    question: str | None = None
    """Whose question waits for an answer: its agent's, or the broker's about the day's budget."""
    may_overspend: bool = False
    deadline: datetime | None = None

    @property
    def live(self) -> bool:
        return self.status in LIVE

    @property
    def holding(self) -> bool:
        return self.status in HOLDING


@dataclass
class Schedule:
    id: str
    workspace: str
    due: datetime
