"""Executes operations: who may, what happens, what is told to whom."""

# The handlers' modules fill the table of handlers as they are imported.
from buildd.broker import (  # noqa: F401
    accounts,
    claims,
    hooks,
    keys,
    launches,
    overview,
    pools,
    pull_requests,
    records,
    reports,
    schedules,
    tasks,
    tokens,
    why,
    workers,
    workspaces,
)
from buildd.broker._broker import Broker, BrokerSettings
from buildd.broker._context import HANDLERS, HERE, Origin
from buildd.broker.channel import Notice
from buildd.broker.dispatch import Means, Pace
from buildd.broker.feed import Subscription
from buildd.broker.files import Content, Reception
from buildd.broker.principals import ADMIN, Principal, PrincipalKind

__all__ = [
    "ADMIN",
    "HANDLERS",
    "HERE",
    "Broker",
    "BrokerSettings",
    "Content",
    "Means",
    "Notice",
    "Origin",
    "Pace",
    "Principal",
    "PrincipalKind",
    "Reception",
    "Subscription",
]
