"""A task broker for AI coding agents.

    with buildd.connect("sqlite:///team.db") as bd:  # or "https://buildd.example.com"
        task = bd.tasks.create(workspace_id=…, title="Fix the flaky login test")

Importing this loads nothing: each name is fetched from its home when it is first used.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildd import agent as agent
    from buildd.client import AsyncClient, Client, connect, connect_async
    from buildd.errors import (
        AlreadyExists,
        BuilddError,
        ConfigError,
        Conflict,
        Forbidden,
        ForgeRefused,
        InternalError,
        Invalid,
        LeaseLost,
        Malformed,
        NotAuthenticated,
        NotClaimable,
        NotConfigured,
        NotFound,
        OutcomeUnknown,
        PreconditionFailed,
        RateLimited,
        TooLarge,
        Unavailable,
        Unreachable,
        WrongState,
    )
    from buildd.events import Event, EventType
    from buildd.models import (
        Account,
        AccountWhy,
        Agent,
        Artifact,
        ArtifactType,
        Attachment,
        AuditEntry,
        Beat,
        Claim,
        Claimed,
        Comment,
        Delivery,
        Enrolled,
        Enrolment,
        Grant,
        Hook,
        HookMessage,
        Key,
        Launch,
        Lease,
        Leftover,
        Message,
        NewAccount,
        NewHook,
        NewKey,
        NewLease,
        Order,
        Pool,
        PoolCheck,
        PoolWhy,
        PullRequest,
        QuestionType,
        Reason,
        ReasonCode,
        Refusal,
        Reported,
        Role,
        Said,
        Schedule,
        Selection,
        Source,
        SourceSecret,
        Spend,
        Task,
        TaskCounts,
        WaitingFor,
        Why,
        Worker,
        Workspace,
    )
    from buildd.operations import Deleted, etag_of
    from buildd.routing import AccountType, RunnerPreference, Trust
    from buildd.scopes import Scope
    from buildd.states import DeliveryStatus, ErrorCode, LaunchStatus, TaskStatus, WorkerStatus
    from buildd.telling import HookType

    __version__: str

__all__ = [
    "Account",
    "AccountType",
    "AccountWhy",
    "Agent",
    "AlreadyExists",
    "Artifact",
    "ArtifactType",
    "AsyncClient",
    "Attachment",
    "AuditEntry",
    "Beat",
    "BuilddError",
    "Claim",
    "Claimed",
    "Client",
    "Comment",
    "ConfigError",
    "Conflict",
    "Deleted",
    "Delivery",
    "DeliveryStatus",
    "Enrolled",
    "Enrolment",
    "ErrorCode",
    "Event",
    "EventType",
    "Forbidden",
    "ForgeRefused",
    "Grant",
    "Hook",
    "HookMessage",
    "HookType",
    "InternalError",
    "Invalid",
    "Key",
    "Launch",
    "LaunchStatus",
    "Lease",
    "LeaseLost",
    "Leftover",
    "Malformed",
    "Message",
    "NewAccount",
    "NewHook",
    "NewKey",
    "NewLease",
    "NotAuthenticated",
    "NotClaimable",
    "NotConfigured",
    "NotFound",
    "Order",
    "OutcomeUnknown",
    "Pool",
    "PoolCheck",
    "PoolWhy",
    "PreconditionFailed",
    "PullRequest",
    "QuestionType",
    "RateLimited",
    "Reason",
    "ReasonCode",
    "Refusal",
    "Reported",
    "Role",
    "RunnerPreference",
    "Said",
    "Schedule",
    "Scope",
    "Selection",
    "Source",
    "SourceSecret",
    "Spend",
    "Task",
    "TaskCounts",
    "TaskStatus",
    "TooLarge",
    "Trust",
    "Unavailable",
    "Unreachable",
    "WaitingFor",
    "Why",
    "Worker",
    "WorkerStatus",
    "Workspace",
    "WrongState",
    "__version__",
    "agent",
    "connect",
    "connect_async",
    "etag_of",
]

_HOMES = {
    "buildd.client": (
        "AsyncClient",
        "Client",
        "connect",
        "connect_async",
    ),
    "buildd.errors": (
        "AlreadyExists",
        "BuilddError",
        "ConfigError",
        "Conflict",
        "Forbidden",
        "ForgeRefused",
        "InternalError",
        "Invalid",
        "LeaseLost",
        "Malformed",
        "NotAuthenticated",
        "NotClaimable",
        "NotConfigured",
        "NotFound",
        "OutcomeUnknown",
        "PreconditionFailed",
        "RateLimited",
        "TooLarge",
        "Unavailable",
        "Unreachable",
        "WrongState",
    ),
    "buildd.events": (
        "Event",
        "EventType",
    ),
    "buildd.models": (
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
    ),
    "buildd.operations": (
        "Deleted",
        "etag_of",
    ),
    "buildd.routing": (
        "AccountType",
        "RunnerPreference",
        "Trust",
    ),
    "buildd.scopes": ("Scope",),
    "buildd.states": (
        "DeliveryStatus",
        "ErrorCode",
        "LaunchStatus",
        "TaskStatus",
        "WorkerStatus",
    ),
    "buildd.telling": ("HookType",),
}

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # A checker that saw this would believe in every misspelt name.

    def __getattr__(name: str) -> object:
        if name == "agent":
            return import_module("buildd.agent")
        if name == "__version__":
            return _version()
        if name not in _HOME_OF:
            raise AttributeError(f"module 'buildd' has no attribute {name!r}")
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("buildd")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
