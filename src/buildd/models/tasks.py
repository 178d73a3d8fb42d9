"""The work."""

from __future__ import annotations

from decimal import Decimal

from buildd.models._model import (
    AtLeastOne,
    Capabilities,
    Count,
    Id,
    Json,
    LongText,
    Model,
    Name,
    Priority,
    Time,
    Title,
    Usd,
)
from buildd.routing import RunnerPreference, Trust
from buildd.states import OnDependencyFailure, TaskStatus


class Task(Model):
    """A piece of work, and what became of it."""

    id: Id
    workspace_id: Id
    source_id: Id | None = None
    external_id: Title | None = None
    external_url: LongText | None = None
    title: Title
    description: LongText | None = None
    context: Json = {}
    status: TaskStatus
    priority: Priority = 0
    """Higher goes first."""
    runner_preference: RunnerPreference = RunnerPreference.ANY
    required_capabilities: Capabilities = []
    depends_on: list[Id] = []
    not_before: Time | None = None
    max_attempts: AtLeastOne = 3
    attempt: Count = 0
    """How often it was claimed."""
    max_cost: Usd | None = None
    """US dollars that the task may cost, all its attempts together."""
    cost_usd: Usd = Decimal(0)
    """US dollars that its attempts have cost so far."""
    on_dependency_failure: OnDependencyFailure = OnDependencyFailure.FAIL
    timeout_seconds: AtLeastOne | None = None
    """How long an attempt may work, counted from its claim, its resumption or a person's last answer."""
    trust: Trust = Trust.INTERNAL
    """Whose words it is made of."""
    approved_at: Time | None = None
    """When somebody approved its present text; one of `public` trust waits for that."""
    approved_by: Name | None = None
    claimed_by: Id | None = None
    claimed_at: Time | None = None
    expires_at: Time | None = None
    """When the holder's lease runs out, if it is not renewed."""
    result: Json | None = None
    error: LongText | None = None
    traceparent: str | None = None
    """The trace in which it was created, where traces are drawn; its attempts are part of it."""
    created_at: Time
    updated_at: Time


class TaskCounts(Model):
    """How many tasks there are of each kind."""

    pending: Count = 0
    """Those that wait for approval among them."""
    assigned: Count = 0
    running: Count = 0
    completed: Count = 0
    failed: Count = 0
    cancelled: Count = 0
    needs_approval: Count = 0
    waiting_input: Count = 0
    """Workers at such tasks that wait for a person: for an answer, or a word about the day's budget."""
