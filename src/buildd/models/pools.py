"""Capacity on demand: configured runners with their limits, and what they started."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from buildd.models._model import (
    Address,
    AtLeastOne,
    Capabilities,
    Count,
    Flag,
    Id,
    Json,
    Model,
    Name,
    Text,
    Time,
)
from buildd.states import LaunchStatus

LEAST_START, MOST_START = 30, 900
"""Seconds: no token of a launch lives longer than the upper one."""

StartTimeout = Annotated[int, Field(strict=True, ge=LEAST_START, le=MOST_START)]
Arguments = Annotated[list[Text], Field(max_length=100)]
Variables = Annotated[list[Name], Field(max_length=100)]


class Pool(Model):
    """A runner with its configuration and limits: agents of one account, started when there is work."""

    id: Id
    account_id: Id
    name: Name
    runner: Name
    """The runner's name, as `buildd plugins list` shows it."""
    config: Json = {}
    """What the runner needs to know, in its own words."""
    workspace_id: Id | None = None
    """The only workspace it works for, or None for all that its account may claim in."""
    capabilities: Capabilities = []
    """What its agents can do."""
    arguments: Arguments = []
    """Further arguments of its agents' `buildd-agent`."""
    pass_env: Variables = []
    """Names of variables in the server's environment that its agents are given, privately."""
    minimum: Count = 0
    """How many idle agents it keeps ready."""
    maximum: AtLeastOne = 1
    """How many launches it has at most at once."""
    start_timeout_seconds: StartTimeout = 600
    """A launch that has taken no work by then is stopped."""
    enabled: Flag = True
    server: Address | None = None
    """The server's URL as its agents reach it; None for the server's own idea of that."""
    open_launches: Count = 0
    failures: Count = 0
    """Launches in a row that ended without having taken work."""
    retry_at: Time | None = None
    """After failures: no new launch before."""
    halted: Flag = False
    """An error that trying again does not cure; any change of the pool, or a passed check, ends it."""
    last_error: Text | None = None
    created_at: Time
    updated_at: Time


class Launch(Model):
    """One thing that a pool's runner was asked to start: a process, a run, a workspace, a unit."""

    id: Id
    pool_id: Id
    account_id: Id
    workspace_id: Id | None = None
    task_id: Id | None = None
    """The task it was started for; None for an idle agent that is kept ready."""
    epoch: Count | None = None
    """The task's epoch when it was wanted."""
    status: LaunchStatus
    external_id: Text | None = None
    """The platform's own name for it."""
    url: Text | None = None
    detail: Text | None = None
    """What its runner last saw, for people."""
    exit_code: int | None = None
    worker_id: Id | None = None
    """The attempt that its agent made."""
    calls: Count = 0
    """How often its runner was called about it since it last changed."""
    retry_at: Time | None = None
    unknown_since: Time | None = None
    """Since when its platform does not answer."""
    stop_reason: Text | None = None
    starts_by: Time
    """If it has taken no work by then, it is stopped."""
    created_at: Time
    started_at: Time | None = None
    ended_at: Time | None = None
    updated_at: Time


class PoolCheck(Model):
    """Whether a pool could start anything."""

    pool_id: Id
    passed: Flag
    detail: Text | None = None
    """One line on what keeps it from that."""


class Leftover(Model):
    """Something on a pool's platform that nobody is known to want any more."""

    launch_id: Id
    """The id it was started under."""
    external_id: Text
    url: Text | None = None
    known: Flag
    """Whether this database knows the launch; if not, another installation may have started it."""
    stopped: Flag
    detail: Text | None = None
    """Why it could not be stopped."""


class Enrolment(Model):
    """A token that turns one machine into an agent of an account, shown this once."""

    token: str
    expires_at: Time


class Enrolled(Model):
    """The account key that an enrolment token was swapped for, shown this once."""

    account_id: Id
    key_id: Id
    api_key: str
