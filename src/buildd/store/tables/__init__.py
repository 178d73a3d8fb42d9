"""The rows, one class each, and the tables that statements are written with."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa
from sqlmodel import SQLModel

from buildd.store.tables.accounts import (
    AccountRow,
    AgentRow,
    BudgetDayRow,
    GrantRow,
    IdempotencyRow,
    KeyRow,
    LedgerRow,
)
from buildd.store.tables.audit import AuditEntryRow
from buildd.store.tables.blobs import BlobRow
from buildd.store.tables.github import GitHubCommentRow, GitHubIssueRow, WebhookReceiptRow
from buildd.store.tables.hooks import DeliveryRow, HookRow
from buildd.store.tables.pools import LaunchRow, PoolRow, SingleUseTokenRow
from buildd.store.tables.records import (
    ArtifactRow,
    AttachmentRow,
    CommentRow,
    CounterRow,
    EventRow,
    MessageRow,
    SettingRow,
)
from buildd.store.tables.sessions import SessionRow, TicketRow
from buildd.store.tables.tasks import (
    DependencyRow,
    LeaseRow,
    ScheduleRow,
    SourceRow,
    TaskRow,
    WorkerRow,
    WorkspaceRow,
)


def _table(row: type[SQLModel]) -> sa.Table:
    return cast("sa.Table", row.__table__)  # type: ignore[attr-defined]


account = _table(AccountRow)
api_key = _table(KeyRow)
grant = _table(GrantRow)
session = _table(SessionRow)
ticket = _table(TicketRow)
budget_day = _table(BudgetDayRow)
ledger = _table(LedgerRow)
idempotency = _table(IdempotencyRow)
agent = _table(AgentRow)
workspace = _table(WorkspaceRow)
source = _table(SourceRow)
github_issue = _table(GitHubIssueRow)
github_comment = _table(GitHubCommentRow)
webhook_receipt = _table(WebhookReceiptRow)
schedule = _table(ScheduleRow)
task = _table(TaskRow)
dependency = _table(DependencyRow)
worker = _table(WorkerRow)
lease = _table(LeaseRow)
pool = _table(PoolRow)
launch = _table(LaunchRow)
single_use_token = _table(SingleUseTokenRow)
blob = _table(BlobRow)
artifact = _table(ArtifactRow)
comment = _table(CommentRow)
message = _table(MessageRow)
attachment = _table(AttachmentRow)
event = _table(EventRow)
counter = _table(CounterRow)
setting = _table(SettingRow)
audit_entry = _table(AuditEntryRow)
hook = _table(HookRow)
delivery = _table(DeliveryRow)

metadata: sa.MetaData = SQLModel.metadata
