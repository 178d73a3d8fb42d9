"""Pools and launches: capacity on demand, and the tokens by which what was started comes in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from buildd.models import Enrolled, Enrolment, Launch, Leftover, Pool, PoolCheck
from buildd.models._model import Address, AtLeastOne, Capabilities, Count, Flag, Id, Json, Name
from buildd.models.pools import Arguments, StartTimeout, Variables
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

MAX_TOKEN_SECONDS = 900


class CreatePool(Operation[Pool]):
    """Have agents of an account started where a runner starts them, whenever there is work for them."""

    http = create("/api/pools")
    access = Access.ADMIN
    name: Name
    account_id: Id
    runner: Name
    config: Json = {}
    workspace_id: Id | None = None
    capabilities: Capabilities = []
    arguments: Arguments = []
    pass_env: Variables = []
    minimum: Count = 0
    maximum: AtLeastOne = 1
    start_timeout_seconds: StartTimeout = 600
    enabled: Flag = True
    server: Address | None = None


class ListPools(Paged, Operation[list[Pool]]):
    """All pools, newest first."""

    http = get("/api/pools")
    access = Access.ADMIN
    account_id: Id | None = None


class GetPool(Operation[Pool]):
    """One pool, with how it does."""

    http = get("/api/pools/{id}")
    access = Access.ADMIN
    id: Id


class UpdatePool(Patch[Pool]):
    """Change a pool. Whatever is given, it may try again at once what it had given up or put off.

    Its `config` can be changed while it has no open launch only.
    """

    http = patch("/api/pools/{id}")
    access = Access.ADMIN
    id: Id
    name: Name = ""
    config: Json = {}
    workspace_id: Id | None = None
    capabilities: Capabilities = []
    arguments: Arguments = []
    pass_env: Variables = []
    minimum: Count = 0
    maximum: AtLeastOne = 1
    start_timeout_seconds: StartTimeout = 600
    enabled: Flag = True
    server: Address | None = None


class DeletePool(Operation[Deleted]):
    """Remove a pool that has no open launch; its launches stay as history."""

    http = delete("/api/pools/{id}")
    access = Access.ADMIN
    id: Id


class CheckPool(Operation[PoolCheck]):
    """Ask a pool's platform whether anything could be started there."""

    http = post("/api/pools/{id}/check")
    access = Access.ADMIN
    id: Id


class ReapPool(Operation[list[Leftover]]):
    """Stop what runs on a pool's platform for no open launch, or with `dryRun` only tell of it."""

    http = post("/api/pools/{id}/reap")
    access = Access.ADMIN
    id: Id
    dry_run: Flag = False


class ListLaunches(Paged, Operation[list[Launch]]):
    """The launches, newest first; with `open` only those that are not over, or only those that are."""

    http = get("/api/launches")
    access = Access.ADMIN
    pool_id: Id | None = None
    task_id: Id | None = None
    open: bool | None = None


class GetLaunch(Operation[Launch]):
    """One launch."""

    http = get("/api/launches/{id}")
    access = Access.ADMIN
    id: Id


class StopLaunch(Operation[Launch]):
    """Have a launch stopped. What its agent works on goes back; one that is over stays as it is.

    Asked again while its platform does not answer, it is given up, and counts as over.
    """

    http = post("/api/launches/{id}/stop")
    access = Access.ADMIN
    id: Id


class CreateEnrolment(Operation[Enrolment]):
    """Make a token that turns one machine into an agent of an account, once, shown this once."""

    http = create("/api/accounts/{account_id}/enrolments")
    access = Access.ADMIN
    account_id: Id
    expires_in_seconds: Annotated[int, Field(strict=True, ge=1, le=MAX_TOKEN_SECONDS)] = (
        MAX_TOKEN_SECONDS
    )


class Enrol(Operation[Enrolled]):
    """Swap an enrolment token, sent as the bearer credential, for a key of its account, once."""

    http = post("/api/auth/enrol")
    access = Access.ENROLMENT
