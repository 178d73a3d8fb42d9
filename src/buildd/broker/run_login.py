"""A run of GitHub Actions, known by a token that GitHub signed, gets the token that takes its task.

The signature has been checked before. Here the run must be the one that an open launch asked for:
of its repository, by its number and not only its name; of its workflow; and of its own number.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from buildd.broker import auditing
from buildd.broker._context import Context
from buildd.broker.principals import Principal, PrincipalKind
from buildd.broker.tokens import mint_for_launch
from buildd.errors import NotAuthenticated
from buildd.ids import digest
from buildd.operations.pools import MAX_TOKEN_SECONDS
from buildd.states import WANTED, LaunchStatus
from buildd.store import Row
from buildd.store.sql import run_login as sql

RUNNER = "github_actions"
WORKFLOW = "buildd.yml"
"""The workflow of a pool that names none."""
EVENT = "workflow_dispatch"
"""The event of a pool that names none."""
EVENTS = frozenset({"repository_dispatch", EVENT})
"""Only who may write can cause these; pull requests, and what follows them, carry strangers' code."""

REFUSED = "this run may not log in: the server's log says why"
"""All that a run which is refused is told."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunIdentity:
    """A run, in the words of the token that GitHub made for it."""

    token_id: str
    expires_at: datetime
    audience: str
    event: str
    repository: str
    repository_id: str
    workflow_ref: str
    """`owner/name/.github/workflows/file@refs/heads/branch`."""
    run_id: str
    run_attempt: str


@dataclass(frozen=True)
class RunCredential:
    """What the run may claim its launch's task with, shown this once."""

    token: str
    task_id: str
    expires_at: datetime


def log_in(ctx: Context, run: RunIdentity, launch_id: str, address: str | None) -> RunCredential:
    """Swap the run's identity for an acquisition token. Raises `NotAuthenticated`.

    `address` is the server's URL as agents reach it; a pool may have its own.
    """
    launch = ctx.tx.first(sql.LOCK_LAUNCH_OF_RUN, id=launch_id)
    reason = "there is no such launch" if launch is None else _mismatch(run, launch, address)
    if reason is None and launch is not None and not _first_use(ctx, run, launch):
        reason = "its token was used before"
    if reason is not None or launch is None:
        raise refused(f"run {run.run_id} of {run.repository}, for {launch_id!r}: {reason}")
    ctx.tx.run(
        sql.BIND_RUN, of=launch.id, run=run.run_id, repository=run.repository_id, now=ctx.tx.now
    )
    who = Principal(PrincipalKind.RUN, account_id=launch.account_id, launch_id=launch.id)
    told = f"{run.repository} {run.run_id} {run.run_attempt}"
    auditing.note(replace(ctx, principal=who), "logInRun", [launch.id, launch.task_id], told)
    ends = ctx.tx.now + timedelta(seconds=MAX_TOKEN_SECONDS)
    return RunCredential(mint_for_launch(ctx, launch), launch.task_id, ends)


def refused(reason: str) -> NotAuthenticated:
    """The refusal that tells the run nothing, and the operator why."""
    log.warning("refused a login from GitHub Actions: %s", reason)
    return NotAuthenticated(REFUSED)


def _mismatch(run: RunIdentity, launch: Row, address: str | None) -> str | None:
    """Why the run is not the launch's, for the operator; None if it is."""
    demands = {**_of_launch(launch), **_of_run(run, launch), **_of_place(run, launch, address)}
    return next((said for said, holds in demands.items() if not holds), None)


def _of_launch(launch: Row) -> Mapping[str, bool]:
    status = LaunchStatus(launch.status)
    return {
        "its pool starts no workflows": launch.runner == RUNNER,
        f"the launch is {status}": status in WANTED,
        "the launch has claimed its task": launch.worker_id is None,
        "the launch was made for no task": launch.task_id is not None,
    }


def _of_run(run: RunIdentity, launch: Row) -> Mapping[str, bool]:
    event = launch.config.get("event") or EVENT
    # Before the platform has told its run's number, the first run that fits is the one.
    bound = (launch.external_id or "").isdecimal()
    return {
        f"it came of a {run.event}": run.event in EVENTS,
        f"it came of a {run.event}, the launch of a {event}": run.event == event,
        f"the launch's run is {launch.external_id}": not bound or run.run_id == launch.external_id,
        f"it is run again (attempt {run.run_attempt})": bound or run.run_attempt == "1",
    }


def _of_place(run: RunIdentity, launch: Row, address: str | None) -> Mapping[str, bool]:
    config, here = launch.config, launch.server or address or ""
    path, _, ref = run.workflow_ref.partition("@")
    repository, wanted = run.repository.lower(), config.get("ref")
    file = f"{repository}/.github/workflows/{config.get('workflow') or WORKFLOW}".lower()
    known = run.repository_id == launch.realm
    named = launch.realm is None and repository == str(config.get("repository")).lower()
    return {
        "this server does not know its own URL: set BUILDD_PUBLIC_URL": bool(here),
        f"its token is for {run.audience!r}, and this server is {here!r}": (
            run.audience.rstrip("/") == here.rstrip("/")
        ),
        f"its repository's id is {run.repository_id}, the launch's {launch.realm}": known or named,
        f"its workflow is {path}, the launch's {file}": path.lower() == file,
        f"it runs {ref}, and the pool asks for {wanted}": (
            not wanted or ref in {wanted, f"refs/heads/{wanted}", f"refs/tags/{wanted}"}
        ),
    }


def _first_use(ctx: Context, run: RunIdentity, launch: Row) -> bool:
    """Note that the run's token was used, until long after its end; False if it was before."""
    noted = ctx.tx.touch(
        sql.REMEMBER_TOKEN,
        digest=digest(f"github-oidc {run.token_id}", ctx.pepper),
        kind="run",
        account_id=launch.account_id,
        launch_id=launch.id,
        expires_at=run.expires_at,
        used_at=ctx.tx.now,
        created_at=ctx.tx.now,
    )
    return noted == 1
