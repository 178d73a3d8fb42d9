"""Who claims, and what they may do where."""

from __future__ import annotations

from decimal import Decimal

from buildd.models._model import AtLeastOne, Count, Flag, Id, Model, Name, Time, Usd
from buildd.routing import AccountType
from buildd.scopes import Scope


class Account(Model):
    """A claimer with its limits: a person's machines, an always-on service, or GitHub Actions."""

    id: Id
    type: AccountType
    name: Name
    github_id: Name | None = None
    """`owner/repository` whose Actions this account stands for."""
    max_concurrent_workers: AtLeastOne = 3
    max_cost_per_day: Usd = Decimal(50)
    """US dollars per UTC day."""
    max_cost_per_task: Usd | None = None
    """US dollars reserved for one attempt when the task sets no limit of its own."""
    max_tasks_per_run: AtLeastOne | None = None
    max_cost_per_run: Usd | None = None
    draining: Flag = False
    """Takes no new work; its agents are told to hand back what they hold."""
    live_workers: Count = 0
    spent_today: Usd = Decimal(0)
    reserved_today: Usd = Decimal(0)
    total_cost: Usd = Decimal(0)
    total_tasks: Count = 0
    created_at: Time
    updated_at: Time


class Key(Model):
    """An API key as the server remembers it: never the key itself."""

    id: Id
    account_id: Id | None = None
    """Whose it is; None for an administrator's."""
    name: Name | None = None
    scopes: list[Scope]
    created_at: Time
    expires_at: Time | None = None
    revoked_at: Time | None = None
    replaced_by: Id | None = None
    """The key it was rotated to."""
    last_used_at: Time | None = None
    """To within a minute or so; None if it was never used."""


class NewKey(Key):
    """A key just made. `api_key` is shown this once and cannot be read again."""

    api_key: str


class NewAccount(Account):
    """An account just made, with its first key. `api_key` is shown this once."""

    key_id: Id
    api_key: str


class Grant(Model):
    """What an account may do in a workspace. Any grant at all lets it read there."""

    account_id: Id
    workspace_id: Id
    can_claim: Flag = True
    can_create: Flag = False


class Agent(Model):
    """One agent process as its last claim described it; `Worker.agent_id` tells what it works on."""

    id: Id
    account_id: Id
    agent_id: Name
    """What it calls itself, the same over its whole life."""
    workspace_id: Id | None = None
    """Where it claims, if it claims in one workspace only."""
    capabilities: list[str] = []
    free_slots: Count = 0
    """For how many tasks it asked."""
    runner: Name
    last_seen_at: Time
    """When it last asked for work. One that has all it can do asks for none."""
    draining: Flag = False
