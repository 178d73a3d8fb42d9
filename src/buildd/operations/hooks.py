"""Hooks: URLs that are called when something happens, and what became of the calls."""

from __future__ import annotations

from buildd.models import Delivery, Hook, NewHook
from buildd.models._model import Flag, Id
from buildd.models.hooks import HookTypes, HookUrl
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
from buildd.operations._rotation import Overlap
from buildd.telling import HookType

ALL_TYPES = list(HookType)


class CreateHook(Operation[NewHook]):
    """Have a URL called when something happens in a workspace, or in any. Its secret is shown this once."""

    http = create("/api/hooks")
    access = Access.ADMIN
    url: HookUrl
    workspace_id: Id | None = None
    types: HookTypes = ALL_TYPES
    active: Flag = True


class ListHooks(Paged, Operation[list[Hook]]):
    """All hooks, newest first."""

    http = get("/api/hooks")
    access = Access.ADMIN
    workspace_id: Id | None = None


class GetHook(Operation[Hook]):
    """One hook, with how it does."""

    http = get("/api/hooks/{id}")
    access = Access.ADMIN
    id: Id


class UpdateHook(Patch[Hook]):
    """Change a hook. Switched off, it is told nothing more, not even what was still to be sent."""

    http = patch("/api/hooks/{id}")
    access = Access.ADMIN
    id: Id
    url: HookUrl = ""
    types: HookTypes = ALL_TYPES
    active: Flag = True


class DeleteHook(Operation[Deleted]):
    """Remove a hook with all its deliveries."""

    http = delete("/api/hooks/{id}")
    access = Access.ADMIN
    id: Id


class RotateHook(Overlap, Operation[NewHook]):
    """Give a hook a new secret, shown this once. For a while, deliveries are signed with both."""

    http = post("/api/hooks/{id}/rotate")
    access = Access.ADMIN
    id: Id


class TestHook(Operation[Delivery]):
    """Send a hook a message of type `test`."""

    http = post("/api/hooks/{id}/test")
    access = Access.ADMIN
    id: Id


class ListDeliveries(Paged, Operation[list[Delivery]]):
    """What a hook was told or is still to be told, newest first."""

    http = get("/api/hooks/{hook_id}/deliveries")
    access = Access.ADMIN
    hook_id: Id


class Redeliver(Operation[Delivery]):
    """Send once more what was delivered or given up, under the same id."""

    http = post("/api/hooks/{hook_id}/deliveries/{id}/redeliver")
    access = Access.ADMIN
    hook_id: Id
    id: Id
