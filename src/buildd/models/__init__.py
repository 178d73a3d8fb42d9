"""The things buildd speaks of. Each class is what Python holds and what travels as JSON."""

from buildd.models._model import Model
from buildd.models.accounts import Account, Agent, Grant, Key, NewAccount, NewKey
from buildd.models.audit import AuditEntry
from buildd.models.hooks import (
    Delivery,
    Hook,
    HookMessage,
    NewHook,
)
from buildd.models.pools import Enrolled, Enrolment, Launch, Leftover, Pool, PoolCheck
from buildd.models.records import (
    Artifact,
    ArtifactType,
    Attachment,
    Comment,
    Message,
    PullRequest,
    Role,
    Said,
    Selection,
)
from buildd.models.schedules import Schedule
from buildd.models.spending import Spend
from buildd.models.tasks import Task, TaskCounts
from buildd.models.workers import (
    AccountWhy,
    Beat,
    Claim,
    Claimed,
    Lease,
    NewLease,
    Order,
    PoolWhy,
    QuestionType,
    Reason,
    ReasonCode,
    Refusal,
    Reported,
    WaitingFor,
    Why,
    Worker,
)
from buildd.models.workspaces import Source, SourceSecret, Workspace

__all__ = [
    "Account",
    "AccountWhy",
    "Agent",
    "Artifact",
    "ArtifactType",
    "Attachment",
    "AuditEntry",
    "Beat",
    "Claim",
    "Claimed",
    "Comment",
    "Delivery",
    "Enrolled",
    "Enrolment",
    "Grant",
    "Hook",
    "HookMessage",
    "Key",
    "Launch",
    "Lease",
    "Leftover",
    "Message",
    "Model",
    "NewAccount",
    "NewHook",
    "NewKey",
    "NewLease",
    "Order",
    "Pool",
    "PoolCheck",
    "PoolWhy",
    "PullRequest",
    "QuestionType",
    "Reason",
    "ReasonCode",
    "Refusal",
    "Reported",
    "Role",
    "Said",
    "Schedule",
    "Selection",
    "Source",
    "SourceSecret",
    "Spend",
    "Task",
    "TaskCounts",
    "WaitingFor",
    "Why",
    "Worker",
    "Workspace",
]
