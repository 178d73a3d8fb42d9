"""Workspaces and sources."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.store.sql._parts import (
    RESERVED_TODAY,
    SPENT_TODAY,
    change,
    locked,
    optional,
    page,
    seen,
    with_today,
)
from buildd.store.statement import Statement
from buildd.store.tables import source, workspace

INSERT_WORKSPACE = Statement(sa.insert(workspace))
WORKSPACE = Statement(
    sa.select(workspace).where(workspace.c.id == bindparam("id"), seen(workspace.c.id))
)
LOCK_WORKSPACE = locked(sa.select(workspace).where(workspace.c.id == bindparam("id")), workspace)
_WITH_BOOKS = with_today(sa.select(workspace, SPENT_TODAY, RESERVED_TODAY), workspace).where(
    seen(workspace.c.id)
)
# As people see it; every task and every bill asks for the workspace alone.
WORKSPACE_WITH_BOOKS = Statement(_WITH_BOOKS.where(workspace.c.id == bindparam("id")))
WORKSPACES = page(_WITH_BOOKS, workspace.c.id)
CHANGE_WORKSPACE = change(
    workspace,
    (
        "name",
        "repo",
        "local_path",
        "memory",
        "max_concurrent_workers",
        "max_cost_per_day",
        "updated_at",
    ),
)
DELETE_WORKSPACE = Statement(
    sa.delete(workspace)
    .where(workspace.c.id == bindparam("of"), workspace.c.live_workers == 0)
    .returning(workspace.c.id)
)

INSERT_SOURCE = Statement(sa.insert(source))
SOURCE = Statement(sa.select(source).where(source.c.id == bindparam("id")))
LOCK_SOURCE = locked(sa.select(source).where(source.c.id == bindparam("id")), source)
SOURCES = page(sa.select(source).where(source.c.workspace_id == optional("workspace")), source.c.id)
CHANGE_SOURCE = change(source, ("name", "config", "updated_at"))
DELETE_SOURCE = Statement(
    sa.delete(source).where(source.c.id == bindparam("of")).returning(source.c.id)
)
