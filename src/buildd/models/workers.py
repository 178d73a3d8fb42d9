"""One attempt of one account at one task, and the lease that makes its writes count."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from buildd.models._model import Count, Id, LongText, Model, Name, Percent, Prompt, Text, Time, Usd
from buildd.models.records import Message
from buildd.models.tasks import Task
from buildd.states import WorkerStatus


class QuestionType(StrEnum):
    """What a worker waits for."""

    QUESTION = "question"
    PERMISSION = "permission"
    CONFIRMATION = "confirmation"


class WaitingFor(Model):
    """What an agent asked a person."""

    type: QuestionType
    prompt: Prompt
    options: list[Text] | None = None


class Worker(Model):
    """One attempt of one account at one task."""

    id: Id
    task_id: Id
    workspace_id: Id
    account_id: Id
    name: Name
    branch: Text
    """Where this attempt commits."""
    status: WorkerStatus
    runner: Name
    epoch: Count
    """Raised by every claim and resume; only the highest may write."""
    progress: Percent = 0
    waiting_for: WaitingFor | None = None
    cost_usd: Usd = Decimal(0)
    turns: Count = 0
    session_id: Text | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    error: LongText | None = None
    error_code: Text | None = None
    created_at: Time
    updated_at: Time


class Lease(Model):
    """The right to write as a worker until a moment, if it is renewed before."""

    epoch: Count
    expires_at: Time
    heartbeat_seconds: float
    """How often to renew, in seconds."""


class NewLease(Lease):
    """A lease just granted. `token` is the bearer credential of this one attempt."""

    token: str


class ReasonCode(StrEnum):
    """Why a claim brought nothing."""

    NO_WORK = "no_work"
    NO_SLOT = "no_slot"
    NO_BUDGET = "no_budget"
    NO_GRANT = "no_grant"
    NOT_PENDING = "not_pending"
    NOT_ROUTED_HERE = "not_routed_here"
    NOT_READY = "not_ready"


class Reason(Model):
    """Why a claim brought nothing: a code, a sentence, and the limit that was met, if one was."""

    code: ReasonCode
    message: str
    limit: float | None = None
    current: float | None = None


class Claimed(Model):
    """What a claimer receives: the work, the attempt, and the lease on it."""

    id: Id
    """The worker's id."""
    task_id: Id
    branch: Text
    task: Task
    worker: Worker
    lease: NewLease


class Claim(Model):
    """The answer to a claim: the workers that were made, or the reason why there are none."""

    workers: list[Claimed]
    reason: Reason | None = None


class Order(StrEnum):
    """What a heartbeat tells an agent to do. No order means: go on."""

    PAUSE = "pause"
    CANCEL = "cancel"
    BUDGET_EXHAUSTED = "budget_exhausted"
    DRAIN = "drain"


class Beat(Model):
    """The answer to a heartbeat: orders, messages not yet processed, and the lease as it stands."""

    orders: list[Order]
    messages: list[Message]
    lease: Lease
