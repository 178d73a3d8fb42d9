"""What happened, as the feed tells it: the closed list of event types and the one shape they share."""

from __future__ import annotations

from enum import StrEnum

from buildd.models._model import Count, Id, Json, Model, Time


class EventType(StrEnum):
    """Every kind of event there is, with what its `data` holds."""

    TASK_CREATED = "task:created"
    """`{title, status, runnerPreference, requiredCapabilities}`"""
    TASK_UPDATED = "task:updated"
    """`{status, previousStatus, …}`: it was claimed, went back, was edited or ended."""
    TASK_CANCELLED = "task:cancelled"
    """`{previousStatus}`"""
    WORKER_STATUS = "worker:status"
    """`{status, previousStatus}`"""
    WORKER_PROGRESS = "worker:progress"
    """`{progress, turns}`"""
    WORKER_MESSAGE = "worker:message"
    """`{messageId, role, content}`, the content cut to 2,000 characters"""
    WORKER_ATTACHMENT = "worker:attachment"
    """`{attachmentId, messageId, filename, size}`: a file was added to a message"""
    WORKER_ARTIFACT = "worker:artifact"
    """`{artifactId, type, title}`"""
    WORKER_COMMENT = "worker:comment"
    """`{commentId, artifactId, content, resolved}`"""
    WORKER_COST = "worker:cost"
    """`{costUsd}`, the attempt's total so far"""
    WORKER_WAITING = "worker:waiting"
    """`{waitingFor}`"""
    WORKER_COMPLETED = "worker:completed"
    """`{result, costUsd, turns}`; a result of more than 2,000 characters is null here: read the task"""
    WORKER_ERROR = "worker:error"
    """`{error, errorCode, taskStatus}`"""
    ACCOUNT_UPDATED = "account:updated"
    """`{}`: read the account, which is new, changed or gone"""
    WORKSPACE_UPDATED = "workspace:updated"
    """`{}`: read the workspace, which is new, changed or gone"""
    LAUNCH_UPDATED = "launch:updated"
    """`{launchId, status, previousStatus, poolId, detail}`"""
    RESET = "reset"
    """Never stored: the reader asked for events that are no longer kept, and should read everything anew."""


class Event(Model):
    """One thing that happened. `seq` counts up without gaps over a whole database."""

    seq: Count
    type: EventType
    at: Time
    workspace_id: Id | None = None
    task_id: Id | None = None
    worker_id: Id | None = None
    account_id: Id | None = None
    data: Json = {}


class Filter(Model):
    """Which events a reader wants; what is None does not filter."""

    workspace_id: Id | None = None
    task_id: Id | None = None
    worker_id: Id | None = None
    types: frozenset[EventType] | None = None

    def admits(self, event: Event) -> bool:
        """Whether the event is one of those asked for (a `reset` always is)."""
        if event.type is EventType.RESET:
            return True
        # Written out, because it is asked for each event and each of thousands who listen.
        return (
            (self.types is None or event.type in self.types)
            and (self.workspace_id is None or self.workspace_id == event.workspace_id)
            and (self.task_id is None or self.task_id == event.task_id)
            and (self.worker_id is None or self.worker_id == event.worker_id)
        )
