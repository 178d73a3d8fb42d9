"""Workspaces, and the sources of their tasks."""

from __future__ import annotations

from buildd.models import Source, SourceSecret, Workspace
from buildd.models._model import AtLeastOne, Flag, Id, Json, LongText, Name, Repository, Usd
from buildd.operations._operation import (
    Access,
    Deleted,
    Operation,
    Patch,
    create,
    delete,
    get,
    patch,
    post,
)
from buildd.operations._paging import Paged


class CreateWorkspace(Operation[Workspace]):
    """Make a workspace: a repository with its tasks."""

    http = create("/api/workspaces")
    access = Access.ADMIN
    name: Name
    repo: Repository | None = None
    local_path: LongText | None = None
    memory: Json = {}
    max_concurrent_workers: AtLeastOne | None = None
    max_cost_per_day: Usd | None = None


class ListWorkspaces(Paged, Operation[list[Workspace]]):
    """The workspaces the caller may see, newest first."""

    http = get("/api/workspaces")
    access = Access.MEMBER


class GetWorkspace(Operation[Workspace]):
    """One workspace."""

    http = get("/api/workspaces/{id}")
    access = Access.READER
    id: Id


class UpdateWorkspace(Patch[Workspace]):
    """Change a workspace."""

    http = patch("/api/workspaces/{id}")
    access = Access.ADMIN
    id: Id
    name: Name = ""
    repo: Repository | None = None
    local_path: LongText | None = None
    memory: Json = {}
    max_concurrent_workers: AtLeastOne | None = None
    max_cost_per_day: Usd | None = None


class DeleteWorkspace(Operation[Deleted]):
    """Remove a workspace that holds no work in progress, with its tasks and their history."""

    http = delete("/api/workspaces/{id}")
    access = Access.ADMIN
    id: Id


class CreateSource(Operation[Source]):
    """Say where tasks of a workspace come from."""

    http = create("/api/workspaces/{workspace_id}/sources")
    access = Access.ADMIN
    workspace_id: Id
    type: Name
    name: Name
    config: Json = {}


class ListSources(Paged, Operation[list[Source]]):
    """A workspace's sources, newest first."""

    http = get("/api/workspaces/{workspace_id}/sources")
    access = Access.ADMIN
    workspace_id: Id


class GetSource(Operation[Source]):
    """One source."""

    http = get("/api/sources/{id}")
    access = Access.ADMIN
    id: Id


class UpdateSource(Patch[Source]):
    """Change a source."""

    http = patch("/api/sources/{id}")
    access = Access.ADMIN
    id: Id
    name: Name = ""
    config: Json = {}


class RevealSecret(Operation[SourceSecret]):
    """The secret that signs a source's webhook, and where GitHub is to send it.

    With `rotate` it is a new one, and the one before holds too until `endRotation`, or until the
    next is made: give GitHub the new one meanwhile.
    """

    http = post("/api/sources/{id}/secret")
    access = Access.ADMIN
    id: Id
    rotate: Flag = False
    end_rotation: Flag = False


class DeleteSource(Operation[Deleted]):
    """Remove a source; the tasks that came from it stay."""

    http = delete("/api/sources/{id}")
    access = Access.ADMIN
    id: Id
