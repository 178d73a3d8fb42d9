"""Rows about who claims: accounts, keys, grants, the money of a day, and agents."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from buildd.routing import AccountType
from buildd.store.columns import JSON, Moment, Money, one_of


class AccountRow(SQLModel, table=True):
    """An account. `live_workers` is a counter changed only together with a worker's status."""

    __tablename__ = "account"
    __table_args__ = (
        one_of("type", AccountType),
        sa.CheckConstraint("live_workers >= 0", name="live_workers_counted"),
    )

    id: str = Field(primary_key=True)
    type: str
    name: str
    github_id: str | None = None
    max_concurrent_workers: int
    max_cost_per_day: Decimal = Field(sa_type=Money)
    max_cost_per_task: Decimal | None = Field(sa_type=Money)
    max_tasks_per_run: int | None = None
    max_cost_per_run: Decimal | None = Field(sa_type=Money)
    draining: bool
    live_workers: int
    total_cost: Decimal = Field(sa_type=Money)
    total_tasks: int
    deleted_at: datetime | None = Field(sa_type=Moment)
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)


class KeyRow(SQLModel, table=True):
    """A key by its digest. Without an account it is an administrator's."""

    __tablename__ = "api_key"

    id: str = Field(primary_key=True)
    account_id: str | None = Field(foreign_key="account.id", index=True)
    digest: str = Field(unique=True)
    name: str | None = None
    scopes: Any = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=Moment)
    expires_at: datetime | None = Field(sa_type=Moment)
    revoked_at: datetime | None = Field(sa_type=Moment)
    replaced_by: str | None = None
    last_used_at: datetime | None = Field(sa_type=Moment)


class GrantRow(SQLModel, table=True):
    """What an account may do in a workspace."""

    __tablename__ = "account_workspace"

    account_id: str = Field(primary_key=True, foreign_key="account.id")
    workspace_id: str = Field(
        primary_key=True, foreign_key="workspace.id", ondelete="CASCADE", index=True
    )
    can_claim: bool
    can_create: bool


class BudgetDayRow(SQLModel, table=True):
    """What an account or a workspace has spent and reserved on one UTC day."""

    __tablename__ = "budget_day"
    __table_args__ = (sa.CheckConstraint("spent >= 0 AND reserved >= 0", name="money_counted"),)

    owner_id: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    spent: Decimal = Field(sa_type=Money)
    reserved: Decimal = Field(sa_type=Money)


class LedgerRow(SQLModel, table=True):
    """One movement of money, never changed: what `budget_day` and the totals add up to."""

    __tablename__ = "ledger"
    __table_args__ = (
        sa.Index("ledger_of_account", "account_id", "day"),
        sa.Index("ledger_of_day", "day"),
    )

    id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Moment)
    day: date
    kind: str
    account_id: str
    workspace_id: str
    task_id: str
    worker_id: str
    spent: Decimal = Field(sa_type=Money)
    reserved: Decimal = Field(sa_type=Money)


class IdempotencyRow(SQLModel, table=True):
    """A request that may come again, what it was, and what it was answered."""

    __tablename__ = "idempotency"

    principal: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request: str
    answer: Any = Field(sa_type=JSON, nullable=True)
    created_at: datetime = Field(sa_type=Moment, index=True)


class AgentRow(SQLModel, table=True):
    """An agent process, as its last claim or heartbeat described it."""

    __tablename__ = "agent"
    __table_args__ = (sa.UniqueConstraint("account_id", "agent_id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    agent_id: str
    workspace_id: str | None = None
    capabilities: Any = Field(sa_type=JSON)
    free_slots: int
    runner: str
    draining: bool
    last_seen_at: datetime = Field(sa_type=Moment, index=True)
