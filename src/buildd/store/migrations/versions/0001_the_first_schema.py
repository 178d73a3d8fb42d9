"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    _system()
    _workspaces()
    _accounts()
    _capacity()
    _money()
    _tasks()
    _workers()
    _records()
    _audit_log()
    _hooks()


def _system() -> None:
    """What the broker keeps for itself."""
    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=True),
        sa.Column("task_id", sa.String(), nullable=True),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("data", JSON, nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "idempotency",
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("answer", JSON, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key"),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.execute("INSERT INTO counter (name, value) VALUES ('event_seq', 0)")


def _workspaces() -> None:
    """Where work is."""
    op.create_table(
        "workspace",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("repo", sa.String(), nullable=True),
        sa.Column("local_path", sa.String(), nullable=True),
        sa.Column("memory", JSON, nullable=False),
        sa.Column("max_concurrent_workers", sa.Integer(), nullable=True),
        sa.Column("max_cost_per_day", sa.BigInteger(), nullable=True),
        sa.Column("live_workers", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("live_workers >= 0", name="live_workers_counted"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("config", JSON, nullable=False),
        sa.Column("secret_generation", sa.Integer(), nullable=False),
        sa.Column("secret_overlap", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_source_workspace_id"), "source", ["workspace_id"], unique=False)
    op.create_table(
        "schedule",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("cron", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("task", JSON, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_task_id", sa.String(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_schedule_workspace_id"), "schedule", ["workspace_id"], unique=False)
    op.create_index(
        "schedule_due",
        "schedule",
        ["next_run_at"],
        unique=False,
        sqlite_where=sa.text("enabled"),
        postgresql_where=sa.text("enabled"),
    )


def _accounts() -> None:
    """Who claims."""
    op.create_table(
        "account",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("github_id", sa.String(), nullable=True),
        sa.Column("max_concurrent_workers", sa.Integer(), nullable=False),
        sa.Column("max_cost_per_day", sa.BigInteger(), nullable=False),
        sa.Column("max_cost_per_task", sa.BigInteger(), nullable=True),
        sa.Column("max_tasks_per_run", sa.Integer(), nullable=True),
        sa.Column("max_cost_per_run", sa.BigInteger(), nullable=True),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("live_workers", sa.Integer(), nullable=False),
        sa.Column("total_cost", sa.BigInteger(), nullable=False),
        sa.Column("total_tasks", sa.Integer(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("type IN ('user', 'service', 'action')", name="type_known"),
        sa.CheckConstraint("live_workers >= 0", name="live_workers_counted"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_by", sa.String(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index(op.f("ix_api_key_account_id"), "api_key", ["account_id"], unique=False)
    op.create_table(
        "account_workspace",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("can_claim", sa.Boolean(), nullable=False),
        sa.Column("can_create", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "workspace_id"),
    )
    op.create_index(
        op.f("ix_account_workspace_workspace_id"),
        "account_workspace",
        ["workspace_id"],
        unique=False,
    )
    op.create_table(
        "agent",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=True),
        sa.Column("capabilities", JSON, nullable=False),
        sa.Column("free_slots", sa.Integer(), nullable=False),
        sa.Column("runner", sa.String(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account_id", "agent_id"),
    )
    op.create_index(op.f("ix_agent_last_seen_at"), "agent", ["last_seen_at"], unique=False)
    _sessions()


def _sessions() -> None:
    """Browsers that are logged in."""
    op.create_table(
        "session",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("proof", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "ticket",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("proof", sa.String(), nullable=True),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("wanted", JSON, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session"], ["session.digest"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest"),
    )
    for table in ("session", "ticket"):
        for column in ("holder", "expires_at"):
            op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def _capacity() -> None:
    """What is started for it."""
    op.create_table(
        "pool",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("runner", sa.String(), nullable=False),
        sa.Column("config", JSON, nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=True),
        sa.Column("capabilities", JSON, nullable=False),
        sa.Column("arguments", JSON, nullable=False),
        sa.Column("pass_env", JSON, nullable=False),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("maximum", sa.Integer(), nullable=False),
        sa.Column("start_timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("server", sa.String(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("halted", sa.Boolean(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index(op.f("ix_pool_account_id"), "pool", ["account_id"], unique=False)
    op.create_table(
        "launch",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pool_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=True),
        sa.Column("task_id", sa.String(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("realm", sa.String(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("busy_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unknown_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("extended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stop_reason", sa.String(), nullable=True),
        sa.Column("starts_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('requested', 'starting', 'running', 'stopping', 'ended', 'failed')",
            name="status_known",
        ),
        sa.CheckConstraint(
            "(status IN ('ended', 'failed')) = (ended_at IS NOT NULL)", name="over_at_a_time"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    still_open = sa.text("status IN ('requested', 'running', 'starting', 'stopping')")
    op.create_index(
        "launch_of_open_task",
        "launch",
        ["task_id"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index(
        "launch_open",
        "launch",
        ["pool_id"],
        unique=False,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index(
        "launch_open_in_order",
        "launch",
        ["id"],
        unique=False,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index(
        "launch_over",
        "launch",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('ended', 'failed')"),
        postgresql_where=sa.text("status IN ('ended', 'failed')"),
    )
    op.create_index("launch_of_pool", "launch", ["pool_id", "id"], unique=False)
    op.create_index("launch_of_task", "launch", ["task_id", "id"], unique=False)
    op.create_index("launch_of_key", "launch", ["key_id"], unique=False)
    _single_use_tokens()


def _single_use_tokens() -> None:
    """What lets something that was started in, once."""
    op.create_table(
        "single_use_token",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("launch_id", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.ForeignKeyConstraint(["launch_id"], ["launch.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index(
        op.f("ix_single_use_token_launch_id"), "single_use_token", ["launch_id"], unique=False
    )
    op.create_index(
        op.f("ix_single_use_token_expires_at"), "single_use_token", ["expires_at"], unique=False
    )


def _money() -> None:
    """What it costs."""
    op.create_table(
        "budget_day",
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("spent >= 0 AND reserved >= 0", name="money_counted"),
        sa.PrimaryKeyConstraint("owner_id", "day"),
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ledger_of_account", "ledger", ["account_id", "day"], unique=False)
    op.create_index("ledger_of_day", "ledger", ["day"], unique=False)


def _tasks() -> None:
    """The work."""
    op.create_table(
        "task",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("external_url", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("context", JSON, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("runner_preference", sa.String(), nullable=False),
        sa.Column("required_capabilities", JSON, nullable=False),
        sa.Column("depends_on", JSON, nullable=False),
        sa.Column("open_dependencies", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("max_cost", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.BigInteger(), nullable=False),
        sa.Column("on_dependency_failure", sa.String(), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=True),
        sa.Column("trust", sa.String(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", JSON, nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("traceparent", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status IN ('assigned', 'running')) = (worker_id IS NOT NULL)", name="held_by_a_worker"
        ),
        sa.CheckConstraint(
            "runner_preference IN ('any', 'user', 'service', 'action')",
            name="runner_preference_known",
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'assigned', 'running', 'completed', 'failed', 'cancelled')",
            name="status_known",
        ),
        sa.CheckConstraint("trust IN ('internal', 'collaborator', 'public')", name="trust_known"),
        sa.CheckConstraint("open_dependencies >= 0", name="open_dependencies_counted"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source_id", "external_id"),
    )
    op.create_index(
        "task_closed",
        "task",
        ["updated_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('cancelled', 'completed', 'failed')"),
        postgresql_where=sa.text("status IN ('cancelled', 'completed', 'failed')"),
    )
    claimable = sa.text("status = 'pending' AND open_dependencies = 0")
    op.create_index(
        "task_claimable",
        "task",
        [sa.text("priority DESC"), "id"],
        sqlite_where=claimable,
        postgresql_where=claimable,
    )
    due = sa.text("status = 'pending' AND not_before IS NOT NULL")
    op.create_index("task_due", "task", ["not_before"], sqlite_where=due, postgresql_where=due)
    op.create_index("task_of_status", "task", ["status", "id", "workspace_id"], unique=False)
    op.create_index("task_of_workspace", "task", ["workspace_id", "id"], unique=False)
    _github()
    op.create_table(
        "task_dependency",
        sa.Column("parent_id", sa.String(), nullable=False),
        sa.Column("child_id", sa.String(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["child_id"], ["task.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["task.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("parent_id", "child_id"),
    )
    op.create_index(
        op.f("ix_task_dependency_child_id"), "task_dependency", ["child_id"], unique=False
    )


def _github() -> None:
    """What GitHub has told."""
    op.create_table(
        "webhook_receipt",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "key"),
    )
    op.create_index(
        op.f("ix_webhook_receipt_created_at"), "webhook_receipt", ["created_at"], unique=False
    )
    op.create_table(
        "github_issue",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("issue_id", sa.String(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("source_id", "issue_id"),
    )
    op.create_index(op.f("ix_github_issue_task_id"), "github_issue", ["task_id"], unique=False)
    op.create_table(
        "github_comment",
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("comment_id", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("busy_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id"),
    )


def _workers() -> None:
    """The attempts."""
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("runner", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("may_overspend", sa.Boolean(), nullable=False),
        sa.Column("pause_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("waiting_for", JSON, nullable=True),
        sa.Column("cost_usd", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("reserved_day", sa.Date(), nullable=True),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("ended_as", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status IN ('completed', 'error')) = (completed_at IS NOT NULL)",
            name="ended_at_a_time",
        ),
        sa.CheckConstraint(
            "status IN ('idle', 'starting', 'running', 'waiting_input', 'paused', 'completed', 'error')",
            name="status_known",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "worker_holding",
        "worker",
        ["task_id"],
        unique=True,
        sqlite_where=sa.text(
            "status IN ('idle', 'paused', 'running', 'starting', 'waiting_input')"
        ),
        postgresql_where=sa.text(
            "status IN ('idle', 'paused', 'running', 'starting', 'waiting_input')"
        ),
    )
    op.create_index(
        "worker_leased",
        "worker",
        ["lease_expires_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('idle', 'running', 'starting', 'waiting_input')"),
        postgresql_where=sa.text("status IN ('idle', 'running', 'starting', 'waiting_input')"),
    )
    op.create_index(
        "worker_to_take_up",
        "worker",
        ["account_id", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'starting' AND held = 0"),
        postgresql_where=sa.text("status = 'starting' AND NOT held"),
    )
    op.create_index("worker_of_account", "worker", ["account_id", "id"], unique=False)
    op.create_index("worker_of_run", "worker", ["account_id", "run_id"], unique=False)
    op.create_index("worker_of_task", "worker", ["task_id", "id"], unique=False)
    op.create_index("worker_of_workspace", "worker", ["workspace_id", "id"], unique=False)
    op.create_index(
        "worker_timed",
        "worker",
        ["deadline"],
        unique=False,
        sqlite_where=sa.text("status IN ('idle', 'running', 'starting', 'waiting_input')"),
        postgresql_where=sa.text("status IN ('idle', 'running', 'starting', 'waiting_input')"),
    )
    op.create_table(
        "lease",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index(op.f("ix_lease_worker_id"), "lease", ["worker_id"], unique=False)


def _records() -> None:
    """What attempts leave behind."""
    op.create_table(
        "blob",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("place"),
    )
    op.create_table(
        "artifact",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("content", sa.String(), nullable=True),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("filename", sa.String(), nullable=True),
        sa.Column("mime_type", sa.String(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "type IN ('task_plan', 'impl_plan', 'diff', 'summary', 'walkthrough', 'screenshot', 'recording', 'pull_request', 'link', 'file')",
            name="type_known",
        ),
        sa.ForeignKeyConstraint(["digest"], ["blob.digest"]),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_artifact_worker_id"), "artifact", ["worker_id"], unique=False)
    op.create_index(op.f("ix_artifact_digest"), "artifact", ["digest"], unique=False)
    op.create_table(
        "comment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("artifact_id", sa.String(), nullable=True),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("selection", JSON, nullable=True),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["artifact_id"], ["artifact.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_comment_artifact_id"), "comment", ["artifact_id"], unique=False)
    op.create_index(op.f("ix_comment_worker_id"), "comment", ["worker_id"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("to_agent", sa.Boolean(), nullable=False),
        sa.Column("content", sa.String(), nullable=True),
        sa.Column("tool_name", sa.String(), nullable=True),
        sa.Column("tool_input", JSON, nullable=True),
        sa.Column("tool_output", JSON, nullable=True),
        sa.Column("cost_usd", sa.BigInteger(), nullable=True),
        sa.Column("answers", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('user', 'assistant', 'system', 'tool')", name="role_known"),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("message_of_worker", "message", ["worker_id", "id"], unique=False)
    op.create_index(
        "message_to_agent",
        "message",
        ["worker_id", "id"],
        unique=False,
        sqlite_where=sa.text("to_agent = 1"),
        postgresql_where=sa.text("to_agent"),
    )
    op.create_table(
        "attachment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("mime_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["blob.digest"]),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_attachment_message_id"), "attachment", ["message_id"], unique=False)
    op.create_index(op.f("ix_attachment_digest"), "attachment", ["digest"], unique=False)


def _audit_log() -> None:
    """Who did what; triggers keep it as it is."""
    op.create_table(
        "audit_entry",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("launch_id", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subjects", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    nothing = "0:" + "0" * 64
    op.execute(f"INSERT INTO setting (name, value) VALUES ('audit_head', '{nothing}')")  # noqa: S608 - our own text
    on_postgres = op.get_bind().dialect.name == "postgresql"
    for statement in _KEPT_ON_POSTGRES if on_postgres else _KEPT_ON_SQLITE:
        op.execute(statement)


_REFUSAL = "the audit log is only added to"
_KEPT_ON_SQLITE = [
    f"CREATE TRIGGER audit_entry_no_{name} BEFORE {event} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    for name, event in {
        "update": "UPDATE ON audit_entry",
        "delete": "DELETE ON audit_entry",
        # INSERT OR REPLACE deletes without asking the trigger above.
        "replace": "INSERT ON audit_entry"
        " WHEN EXISTS (SELECT 1 FROM audit_entry WHERE seq = NEW.seq)",
    }.items()
]
_KEPT_ON_POSTGRES = [
    (
        "CREATE OR REPLACE FUNCTION audit_entry_kept() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$"
    ),
    *(
        f"CREATE TRIGGER audit_entry_no_{name} BEFORE {event} ON audit_entry"
        f" FOR EACH {level} EXECUTE FUNCTION audit_entry_kept()"
        for name, event, level in (
            ("change", "UPDATE OR DELETE", "ROW"),
            ("truncate", "TRUNCATE", "STATEMENT"),
        )
    ),
]


def _hooks() -> None:
    """Whom to tell what happens, and each time that was done."""
    op.create_table(
        "hook",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("types", JSON, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.String(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("overlap_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_hook_workspace_id"), "hook", ["workspace_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("event_seq", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status IN ('delivered', 'failed')) = (ended_at IS NOT NULL)", name="over_at_a_time"
        ),
        sa.CheckConstraint("kind IN ('hook', 'github')", name="kind_known"),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'delivered', 'failed')", name="status_known"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    open_ones = sa.text("status IN ('pending', 'sending')")
    op.create_index(
        "delivery_due", "delivery", ["due_at"], sqlite_where=open_ones, postgresql_where=open_ones
    )
    over = sa.text("status IN ('delivered', 'failed')")
    op.create_index(
        "delivery_over", "delivery", ["ended_at"], sqlite_where=over, postgresql_where=over
    )
    op.create_index("delivery_of_target", "delivery", ["target_id", "id"], unique=False)
