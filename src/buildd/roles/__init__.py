"""The parts that plugins play, each a contract of a few methods.

A source knows what is to be done, an executor does the work, a runner gives agents a place to live,
a forge has the work reviewed.
"""

from buildd.roles.executor import Executor, Session
from buildd.roles.forge import Commenter, CommentOrder, Forge, PullRequestOrder
from buildd.roles.outcome import (
    OUT_OF_BUDGET,
    Completed,
    Failed,
    Lost,
    Outcome,
    Paused,
    Released,
)
from buildd.roles.runner import (
    ExternalRef,
    Forgetful,
    LaunchOrder,
    LaunchState,
    Observation,
    Runner,
)
from buildd.roles.source import Source, SourceItem

__all__ = [
    "OUT_OF_BUDGET",
    "CommentOrder",
    "Commenter",
    "Completed",
    "Executor",
    "ExternalRef",
    "Failed",
    "Forge",
    "Forgetful",
    "LaunchOrder",
    "LaunchState",
    "Lost",
    "Observation",
    "Outcome",
    "Paused",
    "PullRequestOrder",
    "Released",
    "Runner",
    "Session",
    "Source",
    "SourceItem",
]
