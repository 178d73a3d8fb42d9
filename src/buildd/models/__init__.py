"""The things buildd speaks of. Each class is what Python holds and what travels as JSON."""

from buildd.models._model import Model
from buildd.models.accounts import Account, AdminKey, Agent, Grant, Key, NewAccount, NewKey
from buildd.models.records import (
    Artifact,
    ArtifactType,
    Attachment,
    Comment,
    Message,
    PullRequest,
    Role,
    Selection,
)
from buildd.models.schedules import Schedule
from buildd.models.tasks import Task
from buildd.models.workers import (
    AccountWhy,
    Beat,
    Claim,
    Claimed,
    Lease,
    NewLease,
    Order,
    QuestionType,
    Reason,
    ReasonCode,
    Refusal,
    Reported,
    WaitingFor,
    Why,
    Worker,
)
from buildd.models.workspaces import Source, Workspace

__all__ = [
    "Account",
    "AccountWhy",
    "AdminKey",
    "Agent",
    "Artifact",
    "ArtifactType",
    "Attachment",
    "Beat",
    "Claim",
    "Claimed",
    "Comment",
    "Grant",
    "Key",
    "Lease",
    "Message",
    "Model",
    "NewAccount",
    "NewKey",
    "NewLease",
    "Order",
    "PullRequest",
    "QuestionType",
    "Reason",
    "ReasonCode",
    "Refusal",
    "Reported",
    "Role",
    "Schedule",
    "Selection",
    "Source",
    "Task",
    "WaitingFor",
    "Why",
    "Worker",
    "Workspace",
]
