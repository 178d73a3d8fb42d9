"""One attempt of one account at one task, and the lease that makes its writes count."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from buildd.models._model import Count, Id, LongText, Model, Name, Percent, Prompt, Text, Time, Usd
from buildd.models.pools import Launch
from buildd.models.records import Message
from buildd.models.tasks import Task
from buildd.routing import AccountType
from buildd.states import TaskStatus, WorkerStatus


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
    asked_at: Time | None = None
    code: Text | None = None
    """`budget_exhausted` when it is not the agent that asks, but the server about a budget."""


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
    agent_id: Name | None = None
    """The agent process that has it, as it calls itself."""
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
    heartbeat_at: Time | None = None
    """When its agent was last heard: it took the worker up, or sent a heartbeat."""
    lease_expires_at: Time | None = None
    """When its agent counts as lost, if it is not heard before; of no meaning once it is paused or over."""
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
    """Why a claim brought nothing, or a pool starts nothing."""

    NO_WORK = "no_work"
    NOT_PENDING = "not_pending"
    NOT_READY = "not_ready"
    NOT_YET = "not_yet"
    NOT_APPROVED = "not_approved"
    NO_GRANT = "no_grant"
    WRONG_ROUTE = "wrong_route"
    MISSING_CAPABILITIES = "missing_capabilities"
    DRAINING = "draining"
    NO_SLOT = "no_slot"
    NO_WORKSPACE_SLOT = "no_workspace_slot"
    RUN_LIMIT = "run_limit"
    NO_BUDGET = "no_budget"
    NO_WORKSPACE_BUDGET = "no_workspace_budget"
    POOL_DISABLED = "pool_disabled"
    POOL_HALTED = "pool_halted"
    POOL_WAITS = "pool_waits"
    POOL_FULL = "pool_full"


class Reason(Model):
    """Why a claim brought nothing: a code, a sentence, and the limit that was met, if one was."""

    code: ReasonCode
    message: str
    limit: float | None = None
    current: float | None = None


class AccountWhy(Model):
    """What one account lacks to take a task; nothing unmet means that it may."""

    account_id: Id
    name: Name
    type: AccountType
    unmet: list[Reason]


class PoolWhy(Model):
    """What one pool lacks to start an agent for a task; nothing unmet means that it will or did."""

    pool_id: Id
    name: Name
    runner: Name
    unmet: list[Reason]
    launch: Launch | None = None
    """What it has started for the task."""


class Why(Model):
    """Why a task waits: for every account and pool the exact requirements that are not met."""

    task_id: Id
    status: TaskStatus
    claimable: bool
    """Whether some account may take it now."""
    accounts: list[AccountWhy]
    pools: list[PoolWhy] = []


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


class Refusal(Model):
    """Why one report of a batch was not accepted: an error's stable code, and what it says."""

    code: str
    detail: str
    reason: str | None = None


class Reported(Model):
    """What became of one report of a batch: the worker or the heartbeat's answer, or the refusal."""

    id: Id
    worker: Worker | None = None
    beat: Beat | None = None
    error: Refusal | None = None
