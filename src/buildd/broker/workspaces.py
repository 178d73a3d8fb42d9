"""Workspaces and sources: made, read, changed, removed."""

from __future__ import annotations

from buildd import operations as ops
from buildd.broker import github_source
from buildd.broker._context import Context, check_match, handles, model
from buildd.broker._policy import own
from buildd.budget import budget_day
from buildd.errors import NotFound, WrongState
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.models import Source, Workspace
from buildd.store import Row
from buildd.store.sql import workspaces as sql


@handles(ops.CreateWorkspace)
def create_workspace(ctx: Context, op: ops.CreateWorkspace) -> Workspace:
    """A workspace."""
    row = {
        "id": new_id(Kind.WORKSPACE),
        **op.fields(),
        "live_workers": 0,
        "created_at": ctx.tx.now,
        "updated_at": ctx.tx.now,
    }
    ctx.tx.run(sql.INSERT_WORKSPACE, **row)
    _announce(ctx, row["id"])
    return Workspace.model_validate(row)


@handles(ops.ListWorkspaces)
def list_workspaces(ctx: Context, op: ops.ListWorkspaces) -> list[Workspace]:
    """A page of the workspaces the caller may see."""
    rows = ctx.tx.all(
        sql.WORKSPACES,
        viewer=ctx.viewer,
        day=budget_day(ctx.tx.now),
        cursor=op.cursor,
        limit=op.limit,
    )
    return [model(Workspace, row) for row in rows]


@handles(ops.GetWorkspace)
def get_workspace(ctx: Context, op: ops.GetWorkspace) -> Workspace:
    """One workspace; an attempt sees its own."""
    if ctx.by_lease:
        own(ctx.principal.workspace_id, op.id)
    return _with_books(ctx, op.id)


@handles(ops.UpdateWorkspace)
def update_workspace(ctx: Context, op: ops.UpdateWorkspace) -> Workspace:
    """Change what was given; the rest stays."""
    row = ctx.tx.first(sql.LOCK_WORKSPACE, id=op.id)
    if row is None:
        raise NotFound("there is no such workspace")
    check_match(op, Workspace, row)
    kept = {name: getattr(row, name) for name in op.changeable()}
    ctx.tx.all(sql.CHANGE_WORKSPACE, of=op.id, **{**kept, **op.changes()}, updated_at=ctx.tx.now)
    _announce(ctx, op.id)
    return _with_books(ctx, op.id)


@handles(ops.DeleteWorkspace)
def delete_workspace(ctx: Context, op: ops.DeleteWorkspace) -> ops.Deleted:
    """Remove a workspace with all its history, unless somebody works in it."""
    workspace = _workspace(ctx, op.id)
    if ctx.tx.first(sql.DELETE_WORKSPACE, of=op.id) is None:
        raise WrongState(f"the workspace still has {workspace.live_workers} live workers")
    _announce(ctx, op.id)
    return ops.Deleted(id=op.id)


@handles(ops.CreateSource)
def create_source(ctx: Context, op: ops.CreateSource) -> Source:
    """A source."""
    _workspace(ctx, op.workspace_id)
    github_source.check(op.type, op.config)
    row = {
        "id": new_id(Kind.SOURCE),
        **op.fields(),
        "secret_generation": 1,
        "secret_overlap": False,
        "created_at": ctx.tx.now,
        "updated_at": ctx.tx.now,
    }
    ctx.tx.run(sql.INSERT_SOURCE, **row)
    return Source.model_validate(row)


@handles(ops.ListSources)
def list_sources(ctx: Context, op: ops.ListSources) -> list[Source]:
    """A page of a workspace's sources."""
    _workspace(ctx, op.workspace_id)
    rows = ctx.tx.all(sql.SOURCES, workspace=op.workspace_id, cursor=op.cursor, limit=op.limit)
    return [model(Source, row) for row in rows]


@handles(ops.GetSource)
def get_source(ctx: Context, op: ops.GetSource) -> Source:
    """One source."""
    row = ctx.tx.first(sql.SOURCE, id=op.id)
    if row is None:
        raise NotFound("there is no such source")
    return model(Source, row)


@handles(ops.UpdateSource)
def update_source(ctx: Context, op: ops.UpdateSource) -> Source:
    """Change what was given; the rest stays."""
    row = ctx.tx.first(sql.LOCK_SOURCE, id=op.id)
    if row is None:
        raise NotFound
    check_match(op, Source, row)
    github_source.check(row.type, op.changes().get("config", row.config))
    kept = {"name": row.name, "config": row.config}
    changed = ctx.tx.first(
        sql.CHANGE_SOURCE, of=op.id, **{**kept, **op.changes()}, updated_at=ctx.tx.now
    )
    return model(Source, changed)


@handles(ops.DeleteSource)
def delete_source(ctx: Context, op: ops.DeleteSource) -> ops.Deleted:
    """Remove a source; its tasks stay."""
    if ctx.tx.first(sql.DELETE_SOURCE, of=op.id) is None:
        raise NotFound
    return ops.Deleted(id=op.id)


def _announce(ctx: Context, workspace_id: str) -> None:
    """Tell the feed that a workspace is new, other than it was, or gone."""
    ctx.emit(EventType.WORKSPACE_UPDATED, {}, workspace_id=workspace_id)


def _workspace(ctx: Context, workspace_id: str) -> Row:
    row = ctx.tx.first(sql.WORKSPACE, id=workspace_id, viewer=ctx.viewer)
    if row is None:
        raise NotFound("there is no such workspace")
    return row


def _with_books(ctx: Context, workspace_id: str) -> Workspace:
    row = ctx.tx.first(
        sql.WORKSPACE_WITH_BOOKS,
        id=workspace_id,
        viewer=ctx.viewer,
        day=budget_day(ctx.tx.now),
    )
    if row is None:
        raise NotFound("there is no such workspace")
    return model(Workspace, row)
