"""Hooks: where buildd tells others what happened, and what became of each time it did."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from buildd.destinations import Destination
from buildd.models._model import (
    Count,
    Flag,
    Id,
    Json,
    LongText,
    Model,
    Percent,
    Priority,
    Text,
    Time,
    Title,
    Usd,
)
from buildd.states import DeliveryStatus, TaskStatus, WorkerStatus
from buildd.telling import HookType


def _readable(url: str) -> str:
    Destination.of(url)
    return url


HookUrl = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_readable)
]
HookTypes = Annotated[list[HookType], Field(min_length=1, max_length=len(HookType))]


class Hook(Model):
    """A URL that is called when something happens that somebody should know of."""

    id: Id
    workspace_id: Id | None = None
    """The only workspace it tells of, or None for all."""
    url: HookUrl
    types: HookTypes
    active: Flag = True
    disabled_reason: Text | None = None
    """Why buildd itself switched it off; to switch it on again is to begin anew."""
    failing_since: Time | None = None
    """Since when none of its deliveries was taken; None if the last one was."""
    last_error: Text | None = None
    overlap_until: Time | None = None
    """Until then its deliveries are signed with the secret before this one, too."""
    created_at: Time
    updated_at: Time


class NewHook(Hook):
    """A hook with its secret, which is shown this once and cannot be read again."""

    secret: str
    """What deliveries are signed with, as Standard Webhooks has it: `whsec_` and base64."""


class Delivery(Model):
    """One message to a hook. Its id is the same however often it is sent."""

    id: Id
    hook_id: Id
    type: Text
    """A type that a hook can have, or `test`."""
    event_seq: Count | None = None
    """The event that it tells of; None for a test."""
    status: DeliveryStatus
    attempts: Count = 0
    due_at: Time | None = None
    """When it is sent next, or given to another server; None when it is over."""
    response_status: Count | None = None
    """The HTTP status of the last answer, if there was one."""
    error: Text | None = None
    """Why the last attempt failed."""
    created_at: Time
    updated_at: Time
    ended_at: Time | None = None


class ToldTask(Model):
    """What a hook is told of a task: enough to act on, and to ask for the rest."""

    id: Id
    workspace_id: Id
    source_id: Id | None = None
    external_id: Title | None = None
    external_url: LongText | None = None
    title: Title
    status: TaskStatus
    priority: Priority = 0
    attempt: Count = 0
    cost_usd: Usd = Decimal(0)


class ToldWorker(Model):
    """What a hook is told of an attempt."""

    id: Id
    account_id: Id
    name: Text
    branch: Text
    status: WorkerStatus
    progress: Percent = 0
    cost_usd: Usd = Decimal(0)
    error_code: Text | None = None


class HookMessage(Model):
    """The body of a delivery. What is told of task and worker is how they were when it was written."""

    type: Text
    """A type that a hook can have, or `test`."""
    timestamp: Time
    """When it happened."""
    seq: Count | None = None
    event: Text | None = None
    """The type of the event, as the feed has it."""
    workspace_id: Id | None = None
    task_id: Id | None = None
    worker_id: Id | None = None
    task: ToldTask | None = None
    worker: ToldWorker | None = None
    data: Json = {}
    """The event's own data."""
