"""Secrets as they are made: account keys, and the tokens that let in once what was started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from buildd import operations as ops
from buildd.broker._context import Context, handles
from buildd.errors import NotAuthenticated, NotFound
from buildd.ids import Kind, Secret, digest, new_id, new_secret
from buildd.models import Enrolled, Enrolment, NewKey
from buildd.operations.pools import MAX_TOKEN_SECONDS
from buildd.scopes import OF_ACCOUNTS, Scope
from buildd.store import Row
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import pools as sql


@dataclass(frozen=True)
class KeyTerms:
    """What a new key is called, what it is good for, and for how long; at first for all, for ever."""

    name: str | None = None
    scopes: Iterable[str] | None = None
    life: timedelta | None = None


def mint_key(ctx: Context, account_id: str | None, terms: KeyTerms | None = None) -> NewKey:
    """A key of an account, or of an administrator."""
    terms = terms or KeyTerms()
    possible = Scope if account_id is None else OF_ACCOUNTS
    wanted = possible if terms.scopes is None else frozenset(terms.scopes)
    secret = new_secret(Secret.KEY)
    key = NewKey(
        id=new_id(Kind.KEY),
        account_id=account_id,
        name=terms.name,
        scopes=[each for each in possible if each in wanted],
        created_at=ctx.tx.now,
        expires_at=None if terms.life is None else ctx.tx.now + terms.life,
        api_key=secret,
    )
    row = key.model_dump(by_alias=False, exclude={"api_key"})
    ctx.tx.run(sql_accounts.INSERT_KEY, **row, digest=digest(secret, ctx.pepper))
    return key


def mint_for_launch(ctx: Context, launch: Row) -> str:
    """What the agent of a launch comes in with: for a task an acquisition token, else an enrolment's.

    Only digests are kept, so each try to start it needs a fresh one. They are single-use together.
    """
    kind = Secret.ENROL if launch.task_id is None else Secret.ACQUIRE
    return _mint(ctx, kind, launch.account_id, launch.id)[0]


@handles(ops.CreateEnrolment)
def create_enrolment(ctx: Context, op: ops.CreateEnrolment) -> Enrolment:
    """A token for a machine that enrols itself."""
    if ctx.tx.first(sql_accounts.ACCOUNT_STANDS, id=op.account_id) is None:
        raise NotFound("there is no such account")
    token, expires_at = _mint(
        ctx, Secret.ENROL, op.account_id, None, timedelta(seconds=op.expires_in_seconds)
    )
    return Enrolment(token=token, expires_at=expires_at)


@handles(ops.Enrol)
def enrol(ctx: Context, op: ops.Enrol) -> Enrolled:
    """A key for the token, in one transaction with the end of the token."""
    principal = ctx.principal
    assert principal.account_id is not None
    used = ctx.tx.first(sql.USE_TOKEN, of=principal.token, now=ctx.tx.now)
    if used is None:
        raise NotAuthenticated("this enrolment token was used")
    key = mint_key(ctx, principal.account_id, KeyTerms(name=used.launch_id or "enrolled"))
    if used.launch_id is not None and not ctx.tx.all(
        sql.ENROL_LAUNCH, of=used.launch_id, key=key.id, now=ctx.tx.now
    ):
        raise NotAuthenticated(f"launch {used.launch_id} is over, or has enrolled its agent")
    return Enrolled(account_id=principal.account_id, key_id=key.id, api_key=key.api_key)


def _mint(
    ctx: Context,
    kind: Secret,
    account_id: str,
    launch_id: str | None,
    life: timedelta = timedelta(seconds=MAX_TOKEN_SECONDS),
) -> tuple[str, datetime]:
    token, expires_at = new_secret(kind), ctx.tx.now + life
    ctx.tx.run(
        sql.INSERT_TOKEN,
        digest=digest(token, ctx.pepper),
        kind=kind.name.lower(),
        account_id=account_id,
        launch_id=launch_id,
        expires_at=expires_at,
        used_at=None,
        created_at=ctx.tx.now,
    )
    return token, expires_at
