"""Where work is: a repository with its tasks, and where its tasks come from."""

from __future__ import annotations

from decimal import Decimal

from buildd.models._model import (
    Address,
    AtLeastOne,
    Count,
    Flag,
    Id,
    Json,
    LongText,
    Model,
    Name,
    Repository,
    Text,
    Time,
    Usd,
)


class Workspace(Model):
    """A repository with its tasks."""

    id: Id
    name: Name
    repo: Repository | None = None
    """What `git clone` takes."""
    local_path: LongText | None = None
    """A checkout on an agent's own machine, used instead of a clone where it exists."""
    memory: Json = {}
    max_concurrent_workers: AtLeastOne | None = None
    max_cost_per_day: Usd | None = None
    """US dollars per UTC day, all accounts together."""
    live_workers: Count = 0
    spent_today: Usd = Decimal(0)
    reserved_today: Usd = Decimal(0)
    created_at: Time
    updated_at: Time


class Source(Model):
    """Where a workspace's tasks come from: `manual`, `github`, or a plugin's own type."""

    id: Id
    workspace_id: Id
    type: Name
    name: Name
    config: Json = {}
    created_at: Time
    updated_at: Time


class SourceSecret(Model):
    """What GitHub needs to know to send a source's webhook."""

    source_id: Id
    payload_url: Address | None = None
    """Where it is to be sent; nothing if the server does not know its own URL."""
    payload_path: Text
    """The same without the server's address."""
    secret: Text
    rotating: Flag
    """Whether the secret before this one holds too."""
