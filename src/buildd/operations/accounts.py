"""Accounts, their keys, and what they may do where."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from buildd.models import Account, Grant, Key, NewAccount, NewKey
from buildd.models._model import AtLeastOne, Flag, Id, Name, Usd
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
from buildd.routing import AccountType
from buildd.scopes import Scope

AccountScope = Literal["read", "create", "claim"]
"""The values of `buildd.scopes.OF_ACCOUNTS`, as the schema names them."""


class CreateAccount(Operation[NewAccount]):
    """Make an account; the answer carries its first key, shown this once."""

    http = create("/api/accounts")
    access = Access.ADMIN
    type: AccountType
    name: Name
    github_id: Name | None = None
    max_concurrent_workers: AtLeastOne = 3
    max_cost_per_day: Usd = Decimal(50)
    max_cost_per_task: Usd | None = None
    max_tasks_per_run: AtLeastOne | None = None
    max_cost_per_run: Usd | None = None


class ListAccounts(Paged, Operation[list[Account]]):
    """All accounts, newest first."""

    http = get("/api/accounts")
    access = Access.ADMIN


class GetAccount(Operation[Account]):
    """One account with its limits and what it has spent today."""

    http = get("/api/accounts/{id}")
    access = Access.ADMIN
    id: Id


class GetMe(Operation[Account]):
    """The account whose key this is."""

    http = get("/api/accounts/me")
    access = Access.ACCOUNT


class UpdateAccount(Patch[Account]):
    """Change an account's name or limits."""

    http = patch("/api/accounts/{id}")
    access = Access.ADMIN
    id: Id
    name: Name = ""
    github_id: Name | None = None
    max_concurrent_workers: AtLeastOne = 3
    max_cost_per_day: Usd = Decimal(50)
    max_cost_per_task: Usd | None = None
    max_tasks_per_run: AtLeastOne | None = None
    max_cost_per_run: Usd | None = None


class DrainAccount(Operation[Account]):
    """Have an account take no new work, and its agents hand back what they hold; or undo that."""

    http = post("/api/accounts/{id}/drain")
    access = Access.ADMIN
    id: Id
    draining: Flag = True


class DeleteAccount(Operation[Deleted]):
    """Remove an account that holds no work; its history stays with the tasks."""

    http = delete("/api/accounts/{id}")
    access = Access.ADMIN
    id: Id


class KeyTerms(BaseModel, defer_build=True):
    """What every new key may be given."""

    name: Name | None = None
    expires_in_seconds: AtLeastOne | None = None
    """None: it works until it is revoked."""


class CreateKey(KeyTerms, Operation[NewKey]):
    """Make a further key for an account, shown this once; the older ones go on working.

    `scopes` is what it is good for; by default all that an account's key can be.
    """

    http = create("/api/accounts/{account_id}/keys")
    access = Access.ADMIN
    account_id: Id
    scopes: Annotated[list[AccountScope], Field(min_length=1, max_length=3)] | None = None


class ListKeys(Paged, Operation[list[Key]]):
    """An account's keys with their scopes and when they were last used, newest first."""

    http = get("/api/accounts/{account_id}/keys")
    access = Access.ADMIN
    account_id: Id


class RotateKey(Overlap, Operation[NewKey]):
    """Replace a key by a new one of the same name, scopes and lifetime, shown this once.

    The old one works for the overlap, so that whatever uses it can be given the new one in peace.
    """

    http = create("/api/accounts/{account_id}/keys/{id}/rotate")
    access = Access.ADMIN
    account_id: Id
    id: Id


class RevokeKey(Operation[Key]):
    """Make a key useless, on every server within five seconds."""

    http = delete("/api/accounts/{account_id}/keys/{id}")
    access = Access.ADMIN
    account_id: Id
    id: Id


class CreateAdminKey(KeyTerms, Operation[NewKey]):
    """Make an administrator's key, shown this once.

    `scopes` is what it is good for, by default everything; with `read` alone, it looks and changes
    nothing.
    """

    http = create("/api/admin-keys")
    access = Access.ADMIN
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)] | None = None


class ListAdminKeys(Paged, Operation[list[Key]]):
    """The administrators' keys, newest first; the one in `BUILDD_ADMIN_KEY` is not among them."""

    http = get("/api/admin-keys")
    access = Access.ADMIN


class RotateAdminKey(Overlap, Operation[NewKey]):
    """Replace an administrator's key by a new one, shown this once; the old one works for the overlap."""

    http = create("/api/admin-keys/{id}/rotate")
    access = Access.ADMIN
    id: Id


class RevokeAdminKey(Operation[Deleted]):
    """Make an administrator's key useless, on every server within five seconds."""

    http = delete("/api/admin-keys/{id}")
    access = Access.ADMIN
    id: Id


class GrantWorkspace(Operation[Grant]):
    """Let an account work in a workspace; a second call changes what it may do."""

    http = create("/api/accounts/{account_id}/workspaces")
    access = Access.ADMIN
    account_id: Id
    workspace_id: Id
    can_claim: Flag = True
    can_create: Flag = False


class ListGrants(Operation[list[Grant]]):
    """The workspaces an account may work in."""

    http = get("/api/accounts/{account_id}/workspaces")
    access = Access.ADMIN
    account_id: Id


class RevokeGrant(Operation[Deleted]):
    """Take an account's grant away. What it holds there, it may still finish."""

    http = delete("/api/accounts/{account_id}/workspaces/{workspace_id}")
    access = Access.ADMIN
    account_id: Id
    workspace_id: Id
